/** One operation at a time for each sandbox, in the order they came. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  take<T>(sandboxId: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(sandboxId) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => {});
    this.#last.set(sandboxId, settled);
    void settled.then(() => {
      if (this.#last.get(sandboxId) === settled) this.#last.delete(sandboxId);
    });
    return turn;
  }
}
