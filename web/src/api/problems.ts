/** Read what a refusal says. Each dialect of the gateway has a form of its own for errors. */

export interface Problem {
  text: string;
  hint: string;
  /** Whether the token itself was refused: it is missing, expired or invalid. */
  isTokenRefused: boolean;
}

const PLAIN: Record<number, string> = {
  403: "Your roles do not allow this.",
  404: "This does not exist, or it is not yours.",
  429: "You have sent too many requests. Wait a moment.",
  500: "The server met a defect of its own.",
  503: "A service that this needs does not answer now.",
};

/** Return what an answer with `status` and `body` says went wrong. */
export function readProblem(status: number, body: unknown): Problem {
  const text = findText(body) || PLAIN[status] || `The server answered ${status}.`;
  // Our own dialect answers 403 in both cases, and tells them apart by these words (contract, section 1).
  const isTokenRefused = status === 401 || (status === 403 && text.includes("authentication failed"));
  return { text, hint: "", isTokenRefused };
}

function findText(body: unknown): string {
  if (typeof body === "string") {
    return body.slice(0, 500);
  }
  if (!isRecord(body)) {
    return "";
  }
  for (const name of ["error", "Error", "detail", "title", "message", "msg"]) {
    const found = body[name];
    if (typeof found === "string" && found) {
      return found;
    }
  }
  // The dialect "awx" names the fields: {"name": ["This field is required."]}.
  const fields = Object.entries(body).filter(([, value]) => Array.isArray(value));
  return fields.map(([name, value]) => `${name}: ${(value as unknown[]).join(" ")}`).join("; ");
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function makeIdempotencyKey(): string {
  // `randomUUID` exists only on a secure origin, and the gateway may be plain HTTP inside a cluster.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `page-${Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("")}`;
}
