/** Launch a template: answer its survey, and go to the run. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { describeFailure } from "../parts/actions.tsx";
import { writePlace } from "../routing/routes.ts";
import { useApi } from "../session/session.ts";
import { SurveyFields } from "./survey_fields.tsx";
import { makeLaunchBody, type Question } from "./survey.ts";

export function LaunchForm({ path, questions }: { path: string; questions: Question[] }): VNode {
  const api = useApi();
  const [answers, setAnswers] = useState<Record<string, string>>({});
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const launch = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      const made = await api.send<Record<string, unknown>>("POST", `${path}launch/`, makeLaunchBody(questions, answers));
      window.location.hash = writePlace(["trees", "runs", String(made["id"])]);
    } catch (failure) {
      setProblem(describeFailure(failure));
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void launch(event)}>
      {questions.length === 0 ? <p class="quiet">This template asks nothing.</p> : null}
      <SurveyFields questions={questions} answers={answers} onChange={setAnswers} />
      {problem ? (
        <div class="notice bad" role="alert">
          {problem}
        </div>
      ) : null}
      <button type="submit" class="main" disabled={isBusy}>
        Launch
      </button>
    </form>
  );
}
