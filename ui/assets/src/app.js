// The console's script: htmx and two of its extensions, and a few custom elements. Every page works without it.
import "../vendor/htmx.esm.min.js";
import "../vendor/hx-sse.min.js";
import "../vendor/hx-csp.min.js";
import "./elements/chart-tip.js";
import "./elements/copy-button.js";
import "./elements/dialog-opener.js";
import "./elements/live-pill.js";
import "./elements/live-state.js";
import "./elements/relative-time.js";
import "./elements/slug-preview.js";
import "./forms.js";
import "./keys.js";
import "./tabs.js";
