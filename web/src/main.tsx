/** The way in: put the page into the document. */

import { render } from "preact";
import { App } from "./app.tsx";
import { applyTheme, readTheme } from "./parts/theme.ts";
import "./style/base.css";
import "./style/controls.css";
import "./style/graph.css";

applyTheme(readTheme());
const place = document.getElementById("page");
if (place) {
  render(<App />, place);
}
