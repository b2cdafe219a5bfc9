/** Whole lines of the pieces of a job's log: several streams come at once, and pieces may end within a line. */

export interface LogPiece {
  host: string;
  task: number;
  attempt: number;
  stream: string;
  text: string;
}

/** Return the pieces as text. If `isNamed`, each line begins with its host. */
export function joinLogLines(pieces: ReadonlyArray<LogPiece>, isNamed: boolean): string {
  const begun = new Map<string, { head: string; text: string }>();
  let whole = "";
  for (const piece of pieces) {
    const key = JSON.stringify([piece.host, piece.task, piece.attempt, piece.stream]);
    const head = isNamed ? `${piece.host}: ` : "";
    const lines = ((begun.get(key)?.text ?? "") + piece.text).split("\n");
    begun.set(key, { head, text: lines.pop() ?? "" });
    whole += lines.map((line) => `${head}${line}\n`).join("");
  }
  const rest = [...begun.values()].filter((each) => each.text);
  return whole + rest.map((each) => `${each.head}${each.text}\n`).join("");
}
