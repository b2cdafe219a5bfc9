/** The code flow with PKCE. (core) Source: RFC 7636; OpenID Connect Core, 3.1.2. */

export interface SignInConfig {
  issuer: string;
  client_id: string;
  version: string;
}

export interface Endpoints {
  authorization_endpoint: string;
  token_endpoint: string;
}

/** What the page must remember until the issuer sends the user back. */
export interface Pending {
  state: string;
  verifier: string;
  /** The place to which the user wanted to go. */
  hash: string;
}

export function encodeBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

export function makeSecretText(): string {
  return encodeBase64Url(crypto.getRandomValues(new Uint8Array(32)));
}

export async function makeChallenge(verifier: string): Promise<string> {
  return encodeBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));
}

export function writeAuthorizationUrl(
  endpoints: Endpoints,
  clientId: string,
  redirectUri: string,
  pending: Pending,
  challenge: string,
): string {
  const url = new URL(endpoints.authorization_endpoint);
  const asked = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: "openid",
    state: pending.state,
    code_challenge: challenge,
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(asked)) {
    url.searchParams.set(name, value);
  }
  return url.toString();
}

export interface Claims {
  subject: string;
  groups: string[];
  /** In milliseconds; null if the token says no end. */
  expiresAt: number | null;
}

/** Return what a token says of its user. The page only shows it: the gateway checks the token. Null: it is no JWT. */
export function readClaims(token: string): Claims | null {
  const payload = token.split(".")[1];
  if (!payload) {
    return null;
  }
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    return {
      subject: String(claims["preferred_username"] ?? claims["sub"] ?? ""),
      groups: Array.isArray(claims["groups"]) ? claims["groups"].map(String) : [],
      expiresAt: typeof claims["exp"] === "number" ? claims["exp"] * 1000 : null,
    };
  } catch {
    return null;
  }
}
