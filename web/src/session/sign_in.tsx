/** The form that asks who uses the page. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { readClaims, type SignInConfig } from "./pkce.ts";
import { beginSignIn } from "./session.ts";

interface SignInProps {
  config: SignInConfig | null;
  problem: string;
  onToken: (token: string) => void;
}

export function SignInForm({ config, problem, onToken }: SignInProps): VNode {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState("");
  const hasCodeFlow = Boolean(config?.client_id) && window.isSecureContext;

  const take = (event: Event): void => {
    event.preventDefault();
    const token = text.trim().replace(/^Bearer\s+/i, "");
    const claims = readClaims(token);
    if (claims === null) {
      setWrong("This is no token: a token has three parts with dots between them.");
    } else if (claims.expiresAt !== null && claims.expiresAt <= Date.now()) {
      setWrong("This token has expired. Get a new one.");
    } else {
      onToken(token);
    }
  };
  const askIssuer = async (found: SignInConfig): Promise<void> => {
    try {
      await beginSignIn(found);
    } catch (failure) {
      setWrong(failure instanceof Error ? failure.message : String(failure));
    }
  };
  return (
    <main class="sign-in">
      <div class="card">
        <h1>Sign in to EWMS</h1>
        <p class="quiet">Event workflows, processes and releases</p>
        {problem ? (
          <div class="notice warn" role="alert">
            {problem}
          </div>
        ) : null}
        {hasCodeFlow && config ? (
          <>
            <p>
              <button type="button" class="main" onClick={() => void askIssuer(config)}>
                Sign in with {new URL(config.issuer).host}
              </button>
            </p>
            <p class="quiet">Or paste a token:</p>
          </>
        ) : null}
        <form onSubmit={take}>
          <div class="field">
            <label for="token">Token</label>
            <input
              id="token"
              type="password"
              autocomplete="off"
              spellcheck={false}
              value={text}
              aria-describedby="token-help"
              onInput={(event) => setText(event.currentTarget.value)}
            />
            <small id="token-help">
              The command <code>ewms whoami --token</code> prints yours. It stays in the memory of this tab: a reload forgets it.
            </small>
            {wrong ? (
              <small class="wrong" role="alert">
                {wrong}
              </small>
            ) : null}
          </div>
          <button type="submit" class={hasCodeFlow ? "" : "main"} disabled={!text.trim()}>
            Use this token
          </button>
        </form>
      </div>
    </main>
  );
}
