/** The fields of a survey, for a launch or a schedule. */

import type { VNode } from "preact";
import type { Question } from "./survey.ts";

interface SurveyFieldsProps {
  questions: readonly Question[];
  answers: Record<string, string>;
  onChange: (answers: Record<string, string>) => void;
}

export function SurveyFields({ questions, answers, onChange }: SurveyFieldsProps): VNode {
  return (
    <>
      {questions.map((question) => {
        const id = `answer-${question.variable}`;
        const value = answers[question.variable] ?? question.initial;
        const set = (text: string): void => onChange({ ...answers, [question.variable]: text });
        return (
          <div class="field" key={question.variable}>
            <label for={id}>{question.name}</label>
            {question.choices.length ? (
              <Choice id={id} question={question} value={value} set={set} />
            ) : question.type === "textarea" ? (
              <textarea id={id} rows={4} value={value} required={question.isRequired} onInput={(event) => set(event.currentTarget.value)} />
            ) : question.isSecret ? (
              <input id={id} type="password" autocomplete="off" value={value} required={question.isRequired} onInput={(event) => set(event.currentTarget.value)} />
            ) : (
              <input id={id} autocomplete="off" value={value} required={question.isRequired} onInput={(event) => set(event.currentTarget.value)} />
            )}
            <small>{question.help}</small>
          </div>
        );
      })}
    </>
  );
}

function Choice({ id, question, value, set }: { id: string; question: Question; value: string; set: (text: string) => void }): VNode {
  const chosen = value.split("\n");
  const options = question.choices.map((each) => (
    <option key={each} value={each} selected={chosen.includes(each)}>
      {each}
    </option>
  ));
  return question.type === "multiselect" ? (
    <select id={id} multiple required={question.isRequired} onChange={(event) => set([...event.currentTarget.selectedOptions].map((each) => each.value).join("\n"))}>
      {options}
    </select>
  ) : (
    <select id={id} value={value} required={question.isRequired} onChange={(event) => set(event.currentTarget.value)}>
      <option value="">Choose one</option>
      {options}
    </select>
  );
}
