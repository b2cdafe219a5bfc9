/** The frame around every part: the bar at the top, the ways to the parts, and the part itself. */

import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { chooseTheme, readTheme, type Theme } from "./parts/theme.ts";
import { usePlace } from "./routing/place.ts";
import { findPart, PARTS } from "./pages.tsx";
import { useSession } from "./session/session.ts";

export function Frame(): VNode {
  const session = useSession();
  const place = usePlace();
  const [theme, setTheme] = useState<Theme>(readTheme());
  const main = useRef<HTMLElement>(null);
  const path = place.parts.join("/");
  const isFirst = useRef(true);

  useEffect(() => {
    // After a way to another part, keyboard and screen reader begin at its top, not in the list of ways.
    if (!isFirst.current) {
      main.current?.focus();
      window.scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [path]);

  const other: Theme = theme === "dark" ? "light" : "dark";
  const switchTheme = (): void => {
    chooseTheme(other);
    setTheme(other);
  };
  const jump = (event: Event): void => {
    event.preventDefault();
    main.current?.focus();
  };
  const chosen = place.parts[0] ?? "";
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={jump}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href="#/">
          <img src="./icon.svg" alt="" />
          EWMS
        </a>
        <span class="spacer" />
        {session.claims ? <span class="quiet who">{session.claims.subject}</span> : null}
        <button type="button" onClick={switchTheme} aria-label={`Use the ${other} theme`}>
          {theme === "dark" ? "☀" : "☾"}
        </button>
        {session.config.issuer ? (
          <button type="button" onClick={session.signOut}>
            Sign out
          </button>
        ) : null}
      </header>
      <nav class="side" aria-label="Parts">
        <ul>
          {PARTS.map((part) => (
            <li key={part.path}>
              <a href={`#/${part.path}`} aria-current={part.path === chosen ? "page" : undefined}>
                {part.title}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main ref={main} id="main" tabIndex={-1}>
        {findPart(place)}
      </main>
    </div>
  );
}
