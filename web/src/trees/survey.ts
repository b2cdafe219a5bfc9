/** Read a template's survey, and make the body of a launch from the answers. (core) */

import { isRecord } from "../api/problems.ts";

export interface Question {
  variable: string;
  name: string;
  help: string;
  type: string;
  isRequired: boolean;
  isSecret: boolean;
  choices: string[];
  initial: string;
}

export function readSurvey(spec: unknown): Question[] {
  const asked = isRecord(spec) && Array.isArray(spec["spec"]) ? spec["spec"].filter(isRecord) : [];
  return asked.map((each) => {
    const type = String(each["type"] ?? "text");
    const choices = each["choices"];
    return {
      variable: String(each["variable"]),
      name: String(each["question_name"] ?? each["variable"]),
      help: String(each["question_description"] ?? ""),
      type,
      isRequired: each["required"] === true,
      isSecret: type === "password",
      choices: (Array.isArray(choices) ? choices.map(String) : String(choices ?? "").split("\n")).filter(Boolean),
      initial: type === "password" ? "" : String(each["default"] ?? ""),
    };
  });
}

export interface LaunchBody {
  extra_vars?: Record<string, unknown>;
}

/** Return the body of a launch. Several answers to one question are lines of one text. A question that nobody answered is left out, so that the template's default holds. */
export function makeLaunchBody(questions: readonly Question[], answers: Readonly<Record<string, string>>): LaunchBody {
  const given = questions
    .map((question) => [question, answers[question.variable] ?? question.initial] as const)
    .filter(([, text]) => text !== "");
  const values = given.map(([question, text]) => [question.variable, readAnswer(question.type, text)]);
  return values.length ? { extra_vars: Object.fromEntries(values) } : {};
}

function readAnswer(type: string, text: string): unknown {
  if (type === "integer" || type === "float") {
    const number = Number(text);
    // The server refuses what is no number, and says so in its own words.
    return Number.isNaN(number) ? text : number;
  }
  return type === "multiselect" ? text.split("\n") : text;
}
