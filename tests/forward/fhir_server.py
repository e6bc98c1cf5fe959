"""A small FHIR R4 server in memory, on a real socket: read, update, search, transaction. It keeps what it was asked."""

from __future__ import annotations

import copy
import re
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

TOKEN = "secret-of-the-tests"


class Refusal(Exception):
    def __init__(self, status: int, code: str, diagnostics: str = "") -> None:
        super().__init__(code)
        self.status = status
        issue = {"severity": "error", "code": code, "diagnostics": diagnostics, "expression": ["Encounter.class"]}
        self.outcome = {"resourceType": "OperationOutcome", "issue": [issue]}


class FhirServer:
    """The resources, and every version that was ever written, in order."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.written: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.page_size = 1000
        self.can_include = True
        self.sends_etag = True
        self.ignores_conditions = False
        self.refused_patients: set[str] = set()
        routes = [
            Route("/fhir", self._transaction, methods=["POST"]),
            Route("/fhir/{kind}/_search", self._search, methods=["POST"]),
            Route("/fhir/{kind}", self._search),
            Route("/fhir/{kind}/{id}", self._read),
            Route("/fhir/{kind}/{id}", self._update, methods=["PUT"]),
        ]
        self.app = Starlette(routes=routes, exception_handlers={Refusal: self._refuse})

    # --- for tests -----------------------------------------------------------------------------------------------

    def put(self, resource: dict[str, Any], if_match: str | None = None) -> tuple[int, dict[str, Any]]:
        key = f"{resource['resourceType']}/{resource['id']}"
        before = self.resources.get(key)
        if if_match is not None and (before is None or if_match != etag(before)):
            raise Refusal(412, "conflict")
        version = 1 if before is None else int(before["meta"]["versionId"]) + 1
        stored = copy.deepcopy(resource) | {"meta": {"versionId": str(version)}}
        self.resources[key] = stored
        self.written.append(stored)
        return (201 if before is None else 200), stored

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [r for key, r in self.resources.items() if key.startswith(f"{kind}/")]

    # --- interactions --------------------------------------------------------------------------------------------

    def _admit(self, request: Request) -> None:
        self.requests.append((request.method, str(request.url)))
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, "login")

    async def _refuse(self, _: Request, refusal: Exception) -> JSONResponse:
        assert isinstance(refusal, Refusal)
        return JSONResponse(refusal.outcome, refusal.status)

    async def _read(self, request: Request) -> JSONResponse:
        self._admit(request)
        found = self.resources.get("{kind}/{id}".format(**request.path_params))
        if found is None:
            raise Refusal(404, "not-found")
        return JSONResponse(found, headers={"etag": etag(found)} if self.sends_etag else {})

    async def _update(self, request: Request) -> JSONResponse:
        self._admit(request)
        status, stored = self.put(await request.json(), request.headers.get("if-match"))
        return JSONResponse(stored, status, headers={"etag": etag(stored)})

    async def _transaction(self, request: Request) -> JSONResponse:
        self._admit(request)
        bundle = await request.json()
        assert bundle["type"] == "transaction"
        before, length, answers = dict(self.resources), len(self.written), []
        try:
            for entry in bundle["entry"]:
                assert entry["request"]["method"] == "PUT"
                resource = entry["resource"]
                assert entry["request"]["url"] == f"{resource['resourceType']}/{resource['id']}"
                if resource.get("subject", {}).get("reference") in self.refused_patients:
                    raise Refusal(422, "business-rule", "Ms Erika Mustermann may not be seen")
                status, _ = self.put(resource, entry["request"].get("ifMatch"))
                answers.append({"response": {"status": f"{status} OK"}})
        except Refusal:
            self.resources = before
            del self.written[length:]
            raise
        return JSONResponse({"resourceType": "Bundle", "type": "transaction-response", "entry": answers})

    async def _search(self, request: Request) -> JSONResponse:
        self._admit(request)
        form = await request.form() if request.method == "POST" else request.query_params
        asked = [(name, str(value)) for name, value in form.multi_items()]
        kind, offset = request.path_params["kind"], int(dict(asked).get("offset", "0"))
        found = [r for r in self.all(kind) if self.ignores_conditions or all(_fits(r, *one) for one in asked)]
        page = found[offset : offset + self.page_size]
        entries = [{"resource": r, "search": {"mode": "match"}} for r in page]
        if self.can_include and ("_include", "Appointment:patient") in asked:
            keys = dict.fromkeys(p["actor"]["reference"] for r in page for p in r["participant"])
            included = [self.resources[key] for key in keys if key in self.resources and key.startswith("Patient/")]
            entries += [{"resource": r, "search": {"mode": "include"}} for r in included]
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
        if offset + self.page_size < len(found):
            url = request.url.include_query_params(offset=offset + self.page_size)
            bundle["link"] = [{"relation": "next", "url": str(url)}]
        return JSONResponse(bundle)


def etag(resource: dict[str, Any]) -> str:
    return f'W/"{resource["meta"]["versionId"]}"'


def _fits(resource: dict[str, Any], name: str, value: str) -> bool:
    match name:
        case "identifier":
            system, _, wanted = value.partition("|")
            plain = re.sub(r"\\(.)", r"\1", wanted)
            return (system, plain) in [(i.get("system"), i.get("value")) for i in resource.get("identifier", [])]
        case "patient":
            return any(p["actor"].get("reference") == value for p in resource["participant"])
        case "date":
            start = str(resource["start"])
            return start >= value[2:] if value.startswith("ge") else start < value[2:]
    return True


def patient(patient_id: str, value: str = "A123456780", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": patient_id,
        "identifier": [
            {"system": "http://fhir.de/sid/gkv/kvid-10", "value": value},
            {"system": "urn:kioskd:record-number", "value": f"R-{patient_id}"},
        ],
        "name": [{"use": "official", "family": "Mustermann", "given": ["Erika", "Maria"]}],
        "birthDate": "1964-08-12",
        "gender": "female",
    } | more


def appointment(appointment_id: str, patient_id: str, start: str = "2026-11-23T09:00:00.000Z", **more: Any) -> Any:
    return {
        "resourceType": "Appointment",
        "id": appointment_id,
        "status": "booked",
        "start": start,
        "end": start.replace(":00:00", ":15:00"),
        "participant": [
            {"actor": {"reference": f"Patient/{patient_id}"}, "status": "accepted"},
            {"actor": {"reference": "Practitioner/7", "display": "Dr. Hart"}, "status": "accepted"},
        ],
    } | more
