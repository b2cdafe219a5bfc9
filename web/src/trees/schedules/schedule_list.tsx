/** The schedules of a template: when it runs next, pause and resume, make and delete. */

import type { VNode } from "preact";
import { usePolled } from "../../api/polling.ts";
import { Action } from "../../parts/actions.tsx";
import { Badge, Card, Table } from "../../parts/basics.tsx";
import { Explained } from "../../parts/explained.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { describeInstant } from "../../parts/texts.ts";
import { replaceQuery, usePlace } from "../../routing/place.ts";
import { useApi } from "../../session/session.ts";
import type { Page, Schedule, Template } from "../awx_objects.ts";
import { ScheduleForm } from "./schedule_form.tsx";

const EVERY_MS = 8_000;

export function ScheduleList({ template }: { template: Template }): VNode {
  const api = useApi();
  const asked = usePlace().query["schedule"] ?? "";
  const path = `/api/v2/workflow_job_templates/${template.id}/schedules/?page_size=200&order_by=name`;
  const schedules = usePolled(path, () => api.get<Page<Schedule>>(path), EVERY_MS);
  const explained = schedules.value?.results.find((each) => String(each.id) === asked);
  const maySchedule = template.summary_fields.user_capabilities?.["schedule"] === true;
  const change = (schedule: Schedule, enabled: boolean) => async (): Promise<string> => {
    await api.send("PATCH", `/api/v2/schedules/${schedule.id}/`, { enabled });
    schedules.refresh();
    return enabled ? "It goes on." : "Paused.";
  };
  const remove = (schedule: Schedule) => async (): Promise<string> => {
    await api.send("DELETE", `/api/v2/schedules/${schedule.id}/`);
    schedules.refresh();
    return "Deleted.";
  };
  return (
    <>
      <Card title="Schedules">
        <Shown of={schedules} what="the schedules">
          {(found) =>
            found.results.length === 0 ? (
              <Empty>No schedule launches this template.</Empty>
            ) : (
              <Table
                caption="Schedules of this template"
                rows={found.results}
                keyOf={(row) => String(row.id)}
                columns={[
                  { title: "Schedule", cell: (row) => <b>{row.name}</b> },
                  { title: "State", cell: (row) => <Badge state={row.enabled ? "active" : "paused"} /> },
                  { title: "Next run", cell: (row) => (row.enabled ? describeInstant(row.next_run) : "–") },
                  { title: "Rule", cell: (row) => <code>{row.rrule}</code> },
                  { title: "Last time", cell: (row) => <LastOccurrence schedule={row} /> },
                  { title: "Why", cell: (row) => <WhyButton schedule={row} isOpen={row === explained} /> },
                  { title: "Made by", cell: (row) => row.summary_fields.created_by?.username ?? "–" },
                  {
                    title: "Change",
                    cell: (row) => {
                      const may = row.summary_fields.user_capabilities ?? {};
                      return (
                        <span class="row">
                          {may["edit"] ? row.enabled ? <Action text="Pause" act={change(row, false)} /> : <Action text="Resume" act={change(row, true)} /> : null}
                          {may["delete"] ? <Action text="Delete" isDanger act={remove(row)} question={`“${row.name}” launches nothing any more. Its runs stay.`} /> : null}
                        </span>
                      );
                    },
                  },
                ]}
              />
            )
          }
        </Shown>
      </Card>
      {explained ? (
        // A schedule that has changed is explained anew, and at once.
        <Explained
          key={`${explained.id} ${explained.enabled} ${explained.next_run}`}
          path={`/api/v2/schedules/${explained.id}/explain/`}
          title={`Why “${explained.name}” stands as it does`}
        />
      ) : null}
      {maySchedule ? (
        <ScheduleForm template={template.id} onMade={schedules.refresh} />
      ) : (
        <p class="quiet">Who may launch this template may also schedule it. Your roles do not allow it.</p>
      )}
    </>
  );
}

/** Show and hide why a schedule launches or does not. The address keeps which one is shown. */
function WhyButton({ schedule, isOpen }: { schedule: Schedule; isOpen: boolean }): VNode {
  return (
    <button type="button" aria-label={`Why ${schedule.name} stands as it does`} aria-expanded={isOpen} onClick={() => replaceQuery({ schedule: isOpen ? undefined : String(schedule.id) })}>
      Why?
    </button>
  );
}

/** What the schedule's last occurrence came to: a run, or why there is none. */
function LastOccurrence({ schedule }: { schedule: Schedule }): VNode {
  const last = schedule.last_occurrence;
  if (!last) {
    return <>–</>;
  }
  return (
    <>
      {describeInstant(last.at)} {last.refusal ? <span class="bad">{last.refusal}</span> : null}
      {schedule.skipped_occurrences ? <span class="quiet"> {schedule.skipped_occurrences} skipped in all</span> : null}
    </>
  );
}
