/** Read server-sent events from the pieces of text in which they come. (core) */

export interface StreamEvent {
  name: string;
  data: string;
  id: string;
}

/** Keeps the part of an event that has come so far. */
export class EventReader {
  #rest = "";

  /** Return the events that are whole with `text`. Comments, and blocks without data, give none. */
  read(text: string): StreamEvent[] {
    const blocks = (this.#rest + text).replaceAll("\r\n", "\n").split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.map(readBlock).filter((each) => each !== null);
  }
}

function readBlock(block: string): StreamEvent | null {
  const fields: Record<string, string[]> = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) {
      (fields[line.slice(0, colon)] ??= []).push(line.slice(colon + 1).replace(/^ /, ""));
    }
  }
  const data = fields["data"];
  return data ? { name: fields["event"]?.at(-1) ?? "message", data: data.join("\n"), id: fields["id"]?.at(-1) ?? "" } : null;
}
