/** A script that comes later: fetched once, and again after a failure. */

export type ScriptState = "coming" | "here" | "failed";

export class LaterScript<Content> {
  content: Content | null = null;
  private readonly load: () => Promise<Content>;
  private readonly watchers = new Set<(state: ScriptState) => void>();
  private state: ScriptState = "coming";
  private coming: Promise<void> | null = null;

  constructor(load: () => Promise<Content>) {
    this.load = load;
  }

  /** Fetch the script, unless it is here or on its way. The promise ends when it has come or failed. */
  fetch(): Promise<void> {
    if (!this.coming) {
      this.change("coming");
      this.coming = this.load().then(
        (content) => {
          this.content = content;
          this.change("here");
        },
        () => {
          this.coming = null;
          this.change("failed");
        },
      );
    }
    return this.coming;
  }

  /** Fetch the script, and tell `tell` the state now and whenever it changes. Return how to stop that. */
  watch(tell: (state: ScriptState) => void): () => void {
    void this.fetch();
    this.watchers.add(tell);
    tell(this.state);
    return () => void this.watchers.delete(tell);
  }

  private change(state: ScriptState): void {
    this.state = state;
    this.watchers.forEach((tell) => tell(state));
  }
}
