/** Read a JSON schema of a form's page, and make values of what a person typed. (core) */

import { isRecord } from "../api/problems.ts";

export type FieldKind = "text" | "long" | "number" | "switch" | "choice" | "json" | "fixed";

export interface Field {
  name: string;
  title: string;
  help: string;
  kind: FieldKind;
  isRequired: boolean;
  choices: ReadonlyArray<readonly [string, string]>;
  initial: string | boolean;
}

/** Return the fields of a page's schema, in its order. */
export function readFields(schema: Record<string, unknown>): Field[] {
  const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"].map(String) : []);
  return Object.entries(properties).map(([name, given]) => {
    const own = resolve(given, schema);
    const choices = readChoices(own);
    const kind = chooseKind(own, choices.length > 0);
    const start = own["default"] ?? own["const"];
    return {
      name,
      title: String(own["title"] ?? nameField(name)),
      help: String(own["description"] ?? ""),
      kind,
      isRequired: required.has(name),
      choices,
      initial: kind === "switch" ? start === true : start === undefined || start === null ? "" : kind === "json" ? JSON.stringify(start) : String(start),
    };
  });
}

/** Return the value to send for a text that a person typed. Throws if it cannot be one. `undefined`: leave it out. */
export function readValue(field: Field, typed: string | boolean): unknown {
  if (typeof typed === "boolean") {
    return typed;
  }
  if (typed === "") {
    return undefined;
  }
  switch (field.kind) {
    case "number": {
      const value = Number(typed);
      if (Number.isNaN(value)) {
        throw new Error(`${field.title} must be a number`);
      }
      return value;
    }
    case "json":
      try {
        return JSON.parse(typed);
      } catch {
        throw new Error(`${field.title} must be JSON, such as ["a", "b"]`);
      }
    default:
      return typed;
  }
}

function resolve(given: unknown, schema: Record<string, unknown>): Record<string, unknown> {
  if (!isRecord(given)) {
    return {};
  }
  const options = [given["allOf"], given["anyOf"]].find(Array.isArray) as unknown[] | undefined;
  const inner = options?.find((each) => isRecord(each) && each["type"] !== "null");
  const reference = typeof given["$ref"] === "string" ? findReference(given["$ref"], schema) : null;
  const below = inner ? resolve(inner, schema) : reference;
  return { ...(below ?? {}), ...given };
}

function findReference(reference: string, schema: Record<string, unknown>): Record<string, unknown> | null {
  const definitions = schema["$defs"] ?? schema["definitions"];
  const found = isRecord(definitions) ? definitions[reference.split("/").at(-1) ?? ""] : null;
  if (!isRecord(found)) {
    return null;
  }
  // The title of a definition names its class, and not the field that refers to it.
  const { title: _, ...rest } = found;
  return rest;
}

/** Return the name of a field without a title of its own: `select_node` is "Select node". */
function nameField(name: string): string {
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function readChoices(own: Record<string, unknown>): Array<readonly [string, string]> {
  const values = Array.isArray(own["enum"]) ? own["enum"] : [];
  const names = isRecord(own["options"]) ? own["options"] : {};
  return values.map((value) => [String(value), String(names[String(value)] ?? value)] as const);
}

function chooseKind(own: Record<string, unknown>, hasChoices: boolean): FieldKind {
  if (own["const"] !== undefined) {
    return "fixed";
  }
  if (hasChoices) {
    return "choice";
  }
  switch (own["type"]) {
    case "boolean":
      return "switch";
    case "integer":
    case "number":
      return "number";
    case "array":
    case "object":
      return "json";
    default:
      return own["format"] === "long" ? "long" : "text";
  }
}
