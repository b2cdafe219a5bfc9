/** The whole page: sign in, then the frame with the part that the address names. */

import type { ComponentChildren, VNode } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiClient } from "./api/client.ts";
import { Loading } from "./parts/states.tsx";
import { type Claims, readClaims, type SignInConfig } from "./session/pkce.ts";
import { finishSignIn, loadConfig, type Session, SessionContext } from "./session/session.ts";
import { SignInForm } from "./session/sign_in.tsx";
import { Frame } from "./frame.tsx";
import { fetchAllParts, fetchPart } from "./pages.tsx";
import { parsePlace } from "./routing/routes.ts";
import { NewsContext, useSharedStream } from "./stream/workflow_news.ts";

/** The scripts of all other parts come so long after the sign-in, when the first part has drawn itself. */
const REST_AFTER_MS = 5_000;

export function App(): VNode {
  const [config, setConfig] = useState<SignInConfig | null>(null);
  const [problem, setProblem] = useState("");
  const [token, setToken] = useState<string | null>(null);
  const held = useRef("");
  held.current = token ?? "";

  useEffect(() => {
    void (async () => {
      try {
        const found = await loadConfig();
        setConfig(found);
        // Meanwhile people sign in. The script must not keep the form from being painted.
        window.requestAnimationFrame(() => window.setTimeout(() => fetchPart(parsePlace(window.location.hash))));
        // Without an issuer the gateway believes every request.
        setToken(found.issuer ? await finishSignIn(found) : "");
      } catch (failure) {
        setProblem(failure instanceof Error ? failure.message : String(failure));
      }
    })();
  }, []);

  const isSignedIn = token !== null;
  useEffect(() => {
    if (isSignedIn) {
      const timer = window.setTimeout(fetchAllParts, REST_AFTER_MS);
      return () => window.clearTimeout(timer);
    }
    return;
  }, [isSignedIn]);

  const signOut = useMemo(() => () => setToken(null), []);
  const api = useMemo(
    () =>
      new ApiClient(
        () => held.current,
        () => {
          setProblem("Your token was refused: it has expired, or the server does not know it. Sign in again.");
          setToken(null);
        },
      ),
    [],
  );
  const session = useMemo<Session | null>(
    () => (config && token !== null ? { api, claims: token ? readClaims(token) : null, config, signOut } : null),
    [api, config, token, signOut],
  );
  if (session) {
    return (
      <SessionContext.Provider value={session}>
        <ExpiryWatch claims={session.claims} onExpired={() => { setProblem("Your token has expired. Sign in again."); setToken(null); }} />
        <WithNews token={token ?? ""}>
          <Frame />
        </WithNews>
      </SessionContext.Provider>
    );
  }
  if (!config && !problem) {
    return <Loading what="the page" />;
  }
  return (
    <SignInForm
      config={config}
      problem={problem}
      onToken={(given) => {
        setProblem("");
        setToken(given);
      }}
    />
  );
}

/** Gives the parts of the page the stream's news. */
function WithNews({ token, children }: { token: string; children: ComponentChildren }): VNode {
  return <NewsContext.Provider value={useSharedStream(token)}>{children}</NewsContext.Provider>;
}

/** Ends the session at the instant at which the token ends, so that no request fails for that reason. */
function ExpiryWatch({ claims, onExpired }: { claims: Claims | null; onExpired: () => void }): null {
  const end = claims?.expiresAt ?? null;
  useEffect(() => {
    if (end === null) {
      return;
    }
    const clock = window.setInterval(() => {
      if (Date.now() >= end) {
        onExpired();
      }
    }, 1_000);
    return () => window.clearInterval(clock);
  }, [end]);
  return null;
}
