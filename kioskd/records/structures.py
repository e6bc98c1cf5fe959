"""The elements of the resource types that are stored, with the datatypes they use: FHIR R4 4.0.1, nothing else.

One line an element: ``name``, ``*`` when it repeats, ``!`` when it is required, then its type; a code's required
values or a reference's allowed targets stand in brackets; ``[x]`` is a choice of types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STORED = ("Appointment", "Encounter", "Location", "Patient", "Practitioner")

_DEFINITIONS = """
Patient
  identifier* Identifier
  active boolean
  name* HumanName
  telecom* ContactPoint
  gender code(male|female|other|unknown)
  birthDate date
  deceased[x] boolean dateTime
  address* Address
  maritalStatus CodeableConcept
  multipleBirth[x] boolean integer
  photo* Attachment
  contact* Patient.contact
  communication* Patient.communication
  generalPractitioner* Reference(Organization|Practitioner|PractitionerRole)
  managingOrganization Reference(Organization)
  link* Patient.link
Patient.contact
  relationship* CodeableConcept
  name HumanName
  telecom* ContactPoint
  address Address
  gender code(male|female|other|unknown)
  organization Reference(Organization)
  period Period
Patient.communication
  language! CodeableConcept
  preferred boolean
Patient.link
  other! Reference(Patient|RelatedPerson)
  type! code(replaced-by|replaces|refer|seealso)
Appointment
  identifier* Identifier
  status! code(proposed|pending|booked|arrived|fulfilled|cancelled|noshow|entered-in-error|checked-in|waitlist)
  cancelationReason CodeableConcept
  serviceCategory* CodeableConcept
  serviceType* CodeableConcept
  specialty* CodeableConcept
  appointmentType CodeableConcept
  reasonCode* CodeableConcept
  reasonReference* Reference(Condition|Procedure|Observation|ImmunizationRecommendation)
  priority unsignedInt
  description string
  supportingInformation* Reference
  start instant
  end instant
  minutesDuration positiveInt
  slot* Reference(Slot)
  created dateTime
  comment string
  patientInstruction string
  basedOn* Reference(ServiceRequest)
  participant*! Appointment.participant
  requestedPeriod* Period
Appointment.participant
  type* CodeableConcept
  actor Reference(Patient|Practitioner|PractitionerRole|RelatedPerson|Device|HealthcareService|Location)
  required code(required|optional|information-only)
  status! code(accepted|declined|tentative|needs-action)
  period Period
Encounter
  identifier* Identifier
  status! code(planned|arrived|triaged|in-progress|onleave|finished|cancelled|entered-in-error|unknown)
  statusHistory* Encounter.statusHistory
  class! Coding
  classHistory* Encounter.classHistory
  type* CodeableConcept
  serviceType CodeableConcept
  priority CodeableConcept
  subject Reference(Patient|Group)
  episodeOfCare* Reference(EpisodeOfCare)
  basedOn* Reference(ServiceRequest)
  participant* Encounter.participant
  appointment* Reference(Appointment)
  period Period
  length Duration
  reasonCode* CodeableConcept
  reasonReference* Reference(Condition|Procedure|Observation|ImmunizationRecommendation)
  diagnosis* Encounter.diagnosis
  account* Reference(Account)
  hospitalization Encounter.hospitalization
  location* Encounter.location
  serviceProvider Reference(Organization)
  partOf Reference(Encounter)
Encounter.statusHistory
  status! code(planned|arrived|triaged|in-progress|onleave|finished|cancelled|entered-in-error|unknown)
  period! Period
Encounter.classHistory
  class! Coding
  period! Period
Encounter.participant
  type* CodeableConcept
  period Period
  individual Reference(Practitioner|PractitionerRole|RelatedPerson)
Encounter.diagnosis
  condition! Reference(Condition|Procedure)
  use CodeableConcept
  rank positiveInt
Encounter.hospitalization
  preAdmissionIdentifier Identifier
  origin Reference(Location|Organization)
  admitSource CodeableConcept
  reAdmission CodeableConcept
  dietPreference* CodeableConcept
  specialCourtesy* CodeableConcept
  specialArrangement* CodeableConcept
  destination Reference(Location|Organization)
  dischargeDisposition CodeableConcept
Encounter.location
  location! Reference(Location)
  status code(planned|active|reserved|completed)
  physicalType CodeableConcept
  period Period
Practitioner
  identifier* Identifier
  active boolean
  name* HumanName
  telecom* ContactPoint
  address* Address
  gender code(male|female|other|unknown)
  birthDate date
  photo* Attachment
  qualification* Practitioner.qualification
  communication* CodeableConcept
Practitioner.qualification
  identifier* Identifier
  code! CodeableConcept
  period Period
  issuer Reference(Organization)
Location
  identifier* Identifier
  status code(active|suspended|inactive)
  operationalStatus Coding
  name string
  alias* string
  description string
  mode code(instance|kind)
  type* CodeableConcept
  telecom* ContactPoint
  address Address
  physicalType CodeableConcept
  position Location.position
  managingOrganization Reference(Organization)
  partOf Reference(Location)
  hoursOfOperation* Location.hoursOfOperation
  availabilityExceptions string
  endpoint* Reference(Endpoint)
Location.position
  longitude! decimal
  latitude! decimal
  altitude decimal
Location.hoursOfOperation
  daysOfWeek* code(mon|tue|wed|thu|fri|sat|sun)
  allDay boolean
  openingTime time
  closingTime time
Identifier
  use code(usual|official|temp|secondary|old)
  type CodeableConcept
  system uri
  value string
  period Period
  assigner Reference(Organization)
HumanName
  use code(usual|official|temp|nickname|anonymous|old|maiden)
  text string
  family string
  given* string
  prefix* string
  suffix* string
  period Period
ContactPoint
  system code(phone|fax|email|pager|url|sms|other)
  value string
  use code(home|work|temp|old|mobile)
  rank positiveInt
  period Period
Address
  use code(home|work|temp|old|billing)
  type code(postal|physical|both)
  text string
  line* string
  city string
  district string
  state string
  postalCode string
  country string
  period Period
CodeableConcept
  coding* Coding
  text string
Coding
  system uri
  version string
  code code
  display string
  userSelected boolean
Period
  start dateTime
  end dateTime
Reference
  reference string
  type uri
  identifier Identifier
  display string
Attachment
  contentType code
  language code
  data base64Binary
  url uri
  size unsignedInt
  hash base64Binary
  title string
  creation dateTime
Duration
  value decimal
  comparator code(<|<=|>=|>)
  unit string
  system uri
  code code
Meta
  versionId id
  lastUpdated instant
  source uri
  profile* uri
  security* Coding
  tag* Coding
Narrative
  status! code(generated|extensions|additional|empty)
  div! xhtml
"""

_EVERY_RESOURCE = """
  id id
  meta Meta
  implicitRules uri
  language code
  text Narrative
  contained* Resource
  extension* Extension
  modifierExtension* Extension
"""
_EVERY_BACKBONE = """
  id string
  extension* Extension
  modifierExtension* Extension
"""
_EVERY_DATATYPE = """
  id string
  extension* Extension
"""


@dataclass(frozen=True, slots=True)
class Element:
    """One element. ``allowed``: a code's values, or the types a reference may point to; empty when open."""

    name: str
    type: str
    is_many: bool
    is_required: bool
    allowed: frozenset[str]
    choice: str = ""
    """The name with ``[x]`` when this is one of several; a resource has one of them at most."""


_LINE = re.compile(r"  (\w+)(\[x\])?(\*)?(!)? (.+)")


def _elements(line: str) -> list[Element]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"structures: can't read {line!r}")
    name, choice, many, required, types = found.groups()
    if choice:
        made = ((t, f"{name}{t[0].upper()}{t[1:]}") for t in types.split())
        return [Element(n, t, False, False, frozenset(), f"{name}[x]") for t, n in made]
    kind, _, allowed = types.partition("(")
    codes = frozenset(allowed.removesuffix(")").split("|")) if allowed else frozenset()
    return [Element(name, kind, bool(many), bool(required), codes)]


def _read(definitions: str) -> dict[str, dict[str, Element]]:
    made: dict[str, dict[str, Element]] = {}
    for line in definitions.strip().splitlines():
        if not line.startswith(" "):
            every = _EVERY_RESOURCE if line in STORED else _EVERY_BACKBONE if "." in line else _EVERY_DATATYPE
            current = made[line] = {}
            for common in every.strip("\n").splitlines():
                current.update((e.name, e) for e in _elements(common))
        else:
            current.update((e.name, e) for e in _elements(line))
    return made


STRUCTURES = _read(_DEFINITIONS)
"""Type or backbone element to its elements by name."""
