/** Make a schedule, and see its next occurrences first. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { usePolled } from "../../api/polling.ts";
import { Action, describeFailure } from "../../parts/actions.tsx";
import { Card } from "../../parts/basics.tsx";
import { useApi } from "../../session/session.ts";
import { makeLaunchBody, readSurvey } from "../survey.ts";
import { SurveyFields } from "../survey_fields.tsx";
import { type Frequency, FREQUENCIES, suggestStart, writeRule } from "./rule.ts";

const ZONES = "/api/v2/schedules/zoneinfo/";
const N_SHOWN = 5;

export function ScheduleForm({ template, onMade }: { template: number; onMade: () => void }): VNode {
  const api = useApi();
  const surveyPath = `/api/v2/workflow_job_templates/${template}/survey_spec/`;
  const zones = usePolled(ZONES, () => api.get<{ zones: string[] }>(ZONES), 3_600_000);
  const survey = usePolled(surveyPath, () => api.get<unknown>(surveyPath), 60_000);
  const [name, setName] = useState("");
  const [start, setStart] = useState(suggestStart(Date.now()));
  const [zone, setZone] = useState(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  const [frequency, setFrequency] = useState<Frequency>("DAILY");
  const [interval, setInterval] = useState("1");
  const [ownRule, setOwnRule] = useState("");
  const [answers, setAnswers] = useState<Record<string, string>>({});
  const [next, setNext] = useState<string[] | null>(null);
  const [problem, setProblem] = useState("");
  const questions = readSurvey(survey.value);
  const rule = ownRule.trim() || writeRule({ start, zone, frequency, interval: Number(interval) });

  const preview = async (): Promise<string> => {
    setNext(null);
    setNext((await api.query<{ local: string[] }>("/api/v2/schedules/preview/", { rrule: rule, count: N_SHOWN })).local);
    return "";
  };
  const make = async (event: Event): Promise<void> => {
    event.preventDefault();
    setProblem("");
    const launch = makeLaunchBody(questions, answers);
    const body = { name, rrule: rule, ...(launch.extra_vars ? { extra_data: launch.extra_vars } : {}) };
    try {
      await api.send("POST", `/api/v2/workflow_job_templates/${template}/schedules/`, body);
      setName("");
      setNext(null);
    } catch (failure) {
      setProblem(describeFailure(failure));
    }
    onMade();
  };
  return (
    <Card title="Make a schedule">
      <form onSubmit={(event) => void make(event)}>
        <div class="row fields">
          <div class="field">
            <label for="schedule-name">Name</label>
            <input id="schedule-name" required autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />
          </div>
          <div class="field">
            <label for="schedule-start">First run</label>
            <input id="schedule-start" type="datetime-local" required value={start} onInput={(event) => setStart(event.currentTarget.value)} />
          </div>
          <div class="field">
            <label for="schedule-zone">Time zone</label>
            <select id="schedule-zone" value={zone} onChange={(event) => setZone(event.currentTarget.value)}>
              {[...new Set([zone, ...(zones.value?.zones ?? [])])].map((each) => (
                <option key={each} value={each}>
                  {each}
                </option>
              ))}
            </select>
          </div>
          <div class="field">
            <label for="schedule-interval">Every</label>
            <input id="schedule-interval" type="number" min="1" required value={interval} onInput={(event) => setInterval(event.currentTarget.value)} />
          </div>
          <div class="field">
            <label for="schedule-frequency">Unit</label>
            <select id="schedule-frequency" value={frequency} onChange={(event) => setFrequency(event.currentTarget.value as Frequency)}>
              {FREQUENCIES.map(([word, text]) => (
                <option key={word} value={word}>
                  {text}
                </option>
              ))}
            </select>
          </div>
        </div>
        <SurveyFields questions={questions} answers={answers} onChange={setAnswers} />
        <details>
          <summary>Write the rule yourself</summary>
          <div class="field">
            <label for="schedule-rule">Rule (RFC 5545); it replaces the fields above</label>
            <input id="schedule-rule" autocomplete="off" placeholder={rule} value={ownRule} onInput={(event) => setOwnRule(event.currentTarget.value)} />
          </div>
        </details>
        <p>
          <code>{rule}</code>
        </p>
        {next ? (
          <div class="notice" role="status">
            {next.length ? `It will run at ${next.map((each) => each.replace("T", " ")).join(", ")} …` : "It never runs."}
          </div>
        ) : null}
        {problem ? (
          <div class="notice bad" role="alert">
            {problem}
          </div>
        ) : null}
        <div class="row">
          <Action text="Show the next runs" act={preview} />
          <button type="submit" class="main">
            Make the schedule
          </button>
        </div>
      </form>
    </Card>
  );
}
