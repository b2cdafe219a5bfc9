/** Ask the gateway. Keep what it answered with an Etag, so that a repeated look costs a 304 and no body. */

import { makeIdempotencyKey, readProblem } from "./problems.ts";
import { Repeats } from "./repeats.ts";

/** A request that was refused, or had no answer. `status` is 0 if no server answered. */
export class ApiError extends Error {
  readonly status: number;
  readonly hint: string;
  readonly requestId: string;
  readonly body: unknown;

  constructor(message: string, status: number, hint = "", requestId = "", body: unknown = null) {
    super(message);
    this.status = status;
    this.hint = hint;
    this.requestId = requestId;
    this.body = body;
  }
}

/** One answer: its value, and the headers that some lists need. */
export interface Answer<T> {
  value: T;
  headers: Headers;
}

interface Kept {
  etag: string;
  value: unknown;
  headers: Headers;
}

const MAX_KEPT = 300;
const PATIENCE_MS = 30_000;

/** A caller of the gateway with the token of one session. */
export class ApiClient {
  readonly #readToken: () => string;
  readonly #onRefusedToken: () => void;
  readonly #kept = new Map<string, Kept>();
  readonly #repeats = new Repeats(makeIdempotencyKey);

  constructor(readToken: () => string, onRefusedToken: () => void) {
    this.#readToken = readToken;
    this.#onRefusedToken = onRefusedToken;
  }

  /** Return what a GET of `path` answers. Throws ApiError. */
  async get<T>(path: string): Promise<T> {
    return (await this.getWhole<T>(path)).value;
  }

  /** Return what a GET of `path` answers, with its headers. Throws ApiError. */
  async getWhole<T>(path: string): Promise<Answer<T>> {
    const kept = this.#kept.get(path);
    const response = await this.#fetch("GET", path, undefined, kept ? { "If-None-Match": kept.etag } : {});
    if (response.status === 304 && kept) {
      return { value: kept.value as T, headers: kept.headers };
    }
    const value = await readBody(response);
    const etag = response.headers.get("etag");
    if (etag) {
      this.#keep(path, { etag, value, headers: response.headers });
    }
    return { value: value as T, headers: response.headers };
  }

  /**
   * Send `body` with `method`, and return the answer. The same POST again, while the outcome of the first is unknown,
   * has the same Idempotency-Key: so both take effect once. Throws ApiError.
   */
  async send<T>(method: string, path: string, body?: unknown): Promise<T> {
    if (method !== "POST") {
      return (await readBody(await this.#fetch(method, path, body, {}))) as T;
    }
    const what = `${path}\n${JSON.stringify(body)}`;
    const key = this.#repeats.chooseKey(what, Date.now());
    try {
      const response = await this.#fetch(method, path, body, { "Idempotency-Key": key });
      const value = (await readBody(response)) as T;
      this.#repeats.noteStatus(what, response.status);
      return value;
    } catch (failure) {
      this.#repeats.noteStatus(what, failure instanceof ApiError ? failure.status : 0);
      throw failure;
    }
  }

  /** Ask a query, which is a POST that changes nothing. */
  async query<T>(path: string, body: unknown): Promise<T> {
    return (await readBody(await this.#fetch("POST", path, body, {}))) as T;
  }

  /** Return the text of `path` as it came. */
  async getText(path: string): Promise<string> {
    return (await this.#fetch("GET", path, undefined, {})).text();
  }

  #keep(path: string, kept: Kept): void {
    this.#kept.delete(path);
    this.#kept.set(path, kept);
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) {
      this.#kept.delete(oldest);
    }
  }

  async #fetch(method: string, path: string, body: unknown, more: Record<string, string>): Promise<Response> {
    const token = this.#readToken();
    const headers: Record<string, string> = { Accept: "application/json", ...more };
    if (token) {
      headers["Authorization"] = `Bearer ${token}`;
    }
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
    }
    let response: Response;
    try {
      response = await fetch(path, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        cache: "no-store",
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
    } catch {
      throw new ApiError("The server does not answer.", 0, "Is the gateway running, and the network up?");
    }
    if (response.ok || response.status === 304) {
      return response;
    }
    const answered = await readBody(response).catch(() => null);
    const problem = readProblem(response.status, answered);
    if (problem.isTokenRefused) {
      this.#onRefusedToken();
    }
    const hint = response.headers.get("x-ewms-hint") ?? problem.hint;
    throw new ApiError(problem.text, response.status, hint, response.headers.get("x-request-id") ?? "", answered);
  }
}

async function readBody(response: Response): Promise<unknown> {
  const text = await response.text();
  if (!text) {
    return null;
  }
  return (response.headers.get("content-type") ?? "").includes("json") ? JSON.parse(text) : text;
}
