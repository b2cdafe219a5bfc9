import assert from "node:assert/strict";
import { test } from "node:test";
import { changeQuery, parsePlace, writePlace } from "../src/routing/routes.ts";
import { encodeBase64Url, makeChallenge, readClaims, writeAuthorizationUrl } from "../src/session/pkce.ts";

test("an address names a place and its state, and comes back the same", () => {
  for (const parts of [[], ["workflows"], ["workflows", "WF-1/2 ?#"]]) {
    for (const query of [{}, { tab: "queues", find: "a b&c" }]) {
      assert.deepEqual(parsePlace(writePlace(parts, query)), { parts, query });
    }
  }
  assert.equal(writePlace(["a"], { tab: "", find: undefined }), "#/a");
  assert.equal(changeQuery(parsePlace("#/a?tab=x&find=y"), { tab: undefined }), "#/a?find=y");
  assert.deepEqual(parsePlace("#/%zz").parts, ["%zz"]);
});

test("the challenge is that of RFC 7636, appendix B", async () => {
  assert.equal(await makeChallenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
});

test("the issuer is asked for a code, and for nothing that the page does not know", () => {
  const url = new URL(
    writeAuthorizationUrl(
      { authorization_endpoint: "https://issuer/auth?kc=1", token_endpoint: "https://issuer/token" },
      "page", "https://here/ui/", { state: "s", verifier: "v", hash: "" }, "c",
    ),
  );
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    kc: "1", response_type: "code", client_id: "page", redirect_uri: "https://here/ui/", scope: "openid", state: "s",
    code_challenge: "c", code_challenge_method: "S256",
  });
});

test("a token's claims are read, and what is no token gives none", () => {
  const payload = encodeBase64Url(new TextEncoder().encode(JSON.stringify({ sub: "zoë", groups: ["/a"], exp: 12 })));
  assert.deepEqual(readClaims(`x.${payload}.y`), { subject: "zoë", groups: ["/a"], expiresAt: 12_000 });
  for (const token of ["", "abc", "a.b.c", "a.%%.c"]) {
    assert.equal(readClaims(token), null);
  }
});
