// The button that prints a letter; without a script the browser's own menu does.
"use strict";

document.getElementById("print").addEventListener("click", () => window.print());
