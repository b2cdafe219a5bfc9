/** A form of one or more pages. The server gives each next page after it has accepted the ones before. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import { isRecord } from "../api/problems.ts";
import { describeFailure } from "../parts/actions.tsx";
import { type Field, readFields, readValue } from "./form_fields.ts";

interface FormProps {
  first: Record<string, unknown>;
  verb: string;
  /** Sends all pages. It fails with status 510 if the server wants one more, whose schema is in the answer. */
  send: (pages: unknown[]) => Promise<void>;
}

const WANTS_MORE = 510;

export function PagedForm({ first, verb, send }: FormProps): VNode {
  const [schema, setSchema] = useState(first);
  const [pages, setPages] = useState<unknown[]>([]);
  const [typed, setTyped] = useState<Record<string, string | boolean>>({});
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const fields = readFields(schema);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setProblem("");
    setWrong({});
    const page: Record<string, unknown> = {};
    try {
      for (const field of fields) {
        const value = readValue(field, typed[field.name] ?? field.initial);
        if (value !== undefined) {
          page[field.name] = value;
        }
      }
    } catch (failure) {
      setProblem(describeFailure(failure));
      return;
    }
    setBusy(true);
    try {
      await send([...pages, page]);
    } catch (failure) {
      const next = findNextPage(failure);
      if (next) {
        setPages([...pages, page]);
        setSchema(next);
        setTyped({});
      } else {
        setWrong(findWrongFields(failure));
        setProblem(describeFailure(failure));
      }
    }
    setBusy(false);
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      {schema["title"] && schema["title"] !== "unknown" ? <h3>{String(schema["title"])}</h3> : null}
      {fields.length === 0 ? <p class="quiet">This page asks nothing.</p> : null}
      {fields.map((field) => (
        <FieldRow
          key={`${pages.length} ${field.name}`}
          field={field}
          value={typed[field.name] ?? field.initial}
          wrong={wrong[field.name] ?? ""}
          onChange={(value) => setTyped({ ...typed, [field.name]: value })}
        />
      ))}
      {problem ? (
        <div class="notice bad" role="alert">
          {problem}
        </div>
      ) : null}
      <div class="row end">
        {pages.length ? (
          <button type="button" onClick={() => { setPages([]); setSchema(first); setTyped({}); }}>
            Begin again
          </button>
        ) : null}
        <button type="submit" class="main" disabled={isBusy}>
          {verb}
        </button>
      </div>
    </form>
  );
}

interface RowProps {
  field: Field;
  value: string | boolean;
  wrong: string;
  onChange: (value: string | boolean) => void;
}

function FieldRow({ field, value, wrong, onChange }: RowProps): VNode {
  const id = `field-${field.name}`;
  const common = { id, "aria-invalid": Boolean(wrong), "aria-describedby": `${id}-help` };
  const text = String(value);
  return (
    <div class="field">
      <label for={id}>
        {field.title}
        {field.isRequired ? "" : " (may stay empty)"}
      </label>
      {field.kind === "switch" ? (
        <input {...common} type="checkbox" checked={value === true} onChange={(event) => onChange(event.currentTarget.checked)} />
      ) : field.kind === "choice" ? (
        <select {...common} value={text} required={field.isRequired} onChange={(event) => onChange(event.currentTarget.value)}>
          <option value="">Choose one</option>
          {field.choices.map(([each, name]) => (
            <option key={each} value={each}>
              {name}
            </option>
          ))}
        </select>
      ) : field.kind === "long" || field.kind === "json" ? (
        <textarea {...common} rows={4} value={text} onInput={(event) => onChange(event.currentTarget.value)} />
      ) : (
        <input {...common} list={undefined} inputMode={field.kind === "number" ? "decimal" : "text"} readOnly={field.kind === "fixed"} value={text} required={field.isRequired} onInput={(event) => onChange(event.currentTarget.value)} />
      )}
      <small id={`${id}-help`}>{field.help}</small>
      {wrong ? (
        <small class="wrong" role="alert">
          {wrong}
        </small>
      ) : null}
    </div>
  );
}

function findNextPage(failure: unknown): Record<string, unknown> | null {
  if (!(failure instanceof ApiError) || failure.status !== WANTS_MORE || !isRecord(failure.body)) {
    return null;
  }
  return isRecord(failure.body["form"]) ? failure.body["form"] : null;
}

function findWrongFields(failure: unknown): Record<string, string> {
  const body = failure instanceof ApiError && isRecord(failure.body) ? failure.body : {};
  const errors = Array.isArray(body["validation_errors"]) ? body["validation_errors"] : [];
  return Object.fromEntries(
    errors.filter(isRecord).map((each) => [String(Array.isArray(each["loc"]) ? each["loc"][0] : ""), String(each["msg"] ?? "")]),
  );
}
