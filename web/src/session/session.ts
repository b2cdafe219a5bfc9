/** Who uses the page. The token lives in this tab's memory only: a reload or another tab signs in again. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { ApiClient } from "../api/client.ts";
import {
  type Claims,
  type Endpoints,
  makeChallenge,
  makeSecretText,
  type Pending,
  type SignInConfig,
  writeAuthorizationUrl,
} from "./pkce.ts";

export interface Session {
  api: ApiClient;
  claims: Claims | null;
  config: SignInConfig;
  signOut: () => void;
}

const PENDING = "ewms-sign-in";

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) {
    throw new Error("no session around this part");
  }
  return session;
}

export function useApi(): ApiClient {
  return useSession().api;
}

export async function loadConfig(): Promise<SignInConfig> {
  const response = await fetch("config.json", { cache: "no-cache" });
  if (!response.ok) {
    throw new Error(`the server answered ${response.status} for config.json`);
  }
  return (await response.json()) as SignInConfig;
}

/** Send the user to the issuer. Only the verifier of this one sign-in is stored, and only until the way back. */
export async function beginSignIn(config: SignInConfig): Promise<void> {
  const pending: Pending = { state: makeSecretText(), verifier: makeSecretText(), hash: window.location.hash };
  const endpoints = await discover(config.issuer);
  const challenge = await makeChallenge(pending.verifier);
  sessionStorage.setItem(PENDING, JSON.stringify(pending));
  window.location.assign(writeAuthorizationUrl(endpoints, config.client_id, readOwnAddress(), pending, challenge));
}

/**
 * Return the token if the issuer has just sent the user back with a code; null if it has not.
 * Throws if the issuer refused, or if this tab did not ask.
 */
export async function finishSignIn(config: SignInConfig): Promise<string | null> {
  const query = new URLSearchParams(window.location.search);
  const [code, state, refusal] = [query.get("code"), query.get("state"), query.get("error")];
  if (!state || (!code && !refusal)) {
    return null;
  }
  const stored = sessionStorage.getItem(PENDING);
  sessionStorage.removeItem(PENDING);
  const pending = stored ? (JSON.parse(stored) as Pending) : null;
  window.history.replaceState(null, "", `${readOwnAddress()}${pending?.hash ?? ""}`);
  if (refusal) {
    throw new Error(query.get("error_description") ?? refusal);
  }
  if (pending === null || pending.state !== state) {
    throw new Error("This sign-in did not begin in this tab.");
  }
  const endpoints = await discover(config.issuer);
  const response = await fetch(endpoints.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      client_id: config.client_id,
      code: code ?? "",
      redirect_uri: readOwnAddress(),
      code_verifier: pending.verifier,
    }),
  });
  const answer = (await response.json()) as { access_token?: string; error_description?: string; error?: string };
  if (!answer.access_token) {
    throw new Error(answer.error_description ?? answer.error ?? `the issuer answered ${response.status}`);
  }
  return answer.access_token;
}

async function discover(issuer: string): Promise<Endpoints> {
  const response = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  if (!response.ok) {
    throw new Error(`the issuer answered ${response.status} when asked for its addresses`);
  }
  return (await response.json()) as Endpoints;
}

function readOwnAddress(): string {
  return `${window.location.origin}${window.location.pathname}`;
}
