// The console's script: htmx and two of its extensions, and a few custom elements. Every page works without it.
import "../vendor/htmx.esm.min.js";
import "../vendor/hx-sse.min.js";
import "../vendor/hx-csp.min.js";
import "./elements.js";
import "./forms.js";
import "./live.js";
