/** The objects of trees, whose document names no fields. These are the fields that the page uses. */

import type { Connection } from "./editor/tree_parts.ts";

export interface Page<T> {
  count: number;
  results: T[];
}

export interface Template {
  id: number;
  name: string;
  description: string;
  organization: number | null;
  last_job_run: string | null;
  next_job_run: string | null;
  status: string;
  survey_enabled: boolean;
  topology: string;
  summary_fields: { user_capabilities?: Record<string, boolean> };
}

export interface TreeJob {
  id: number;
  name: string;
  status: string;
  created: string;
  started: string | null;
  finished: string | null;
  job_explanation: string;
  workflow_job_template: number | null;
  launch_type: string;
  extra_vars: string;
  handled_failures: number;
  summary_fields: { created_by?: { username: string } };
}

export interface Approval {
  id: number;
  name: string;
  created: string;
  status: string;
  can_approve_or_deny: boolean;
  approval_expiration: string | null;
  summary_fields: { source_workflow_job?: { id: number } };
}

export interface DrawnNode {
  id: number;
  identifier: string;
  name: string;
  status: string | null;
  why: string;
  job: number | null;
  started: string | null;
  finished: string | null;
}

export interface Drawing {
  nodes: DrawnNode[];
  edges: Connection[];
}

export interface Schedule {
  id: number;
  name: string;
  rrule: string;
  enabled: boolean;
  next_run: string | null;
  last_occurrence: { at: string; job: string | null; refusal: string } | null;
  skipped_occurrences: number;
  summary_fields: { created_by?: { username: string }; user_capabilities?: Record<string, boolean> };
}
