/** The objects of trees, whose document names no fields. These are the fields that the page uses. */

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
}

export interface Approval {
  id: number;
  name: string;
  created: string;
  status: string;
}

export interface DrawnNode {
  id: number;
  identifier: string;
  name: string;
  status: string;
  why: string;
  job: number | null;
}

export interface Drawing {
  nodes: DrawnNode[];
  edges: Array<{ source: number; target: number; kind: string }>;
}
