/**
 * Answers that WebGPU gives later, and what waits for them. Waiting is for all that were asked for before, in order, so that it ends even
 * if new ones are asked for all the time. A watched answer costs one promise: each small buffer that is made has one.
 */
export class Answers {
  /** Number of the oldest answer that is outstanding. */
  private first = 0;
  /** Number that the next one gets. */
  private next = 0;
  /** Numbers of answers that came before older ones. */
  private readonly early = new Set<number>();
  private readonly waiting: { at: number; action: () => void }[] = [];

  get outstanding(): boolean {
    return this.first < this.next;
  }

  /** Calls `take` with an answer; one that is rejected, since the device went away, counts as answered. */
  watch<T>(answer: Promise<T>, take: (answer: T) => void = () => {}): void {
    const number = this.next++;
    const answered = () => this.answered(number);
    void answer.then((value) => {
      take(value);
      answered();
    }, answered);
  }

  /** Does something once everything asked for so far is answered, and so at once if nothing is outstanding. */
  after(action: () => void): void {
    if (this.outstanding) this.waiting.push({ at: this.next, action });
    else action();
  }

  private answered(number: number): void {
    if (number > this.first) {
      this.early.add(number);
      return;
    }
    this.first++;
    while (this.early.size > 0 && this.early.delete(this.first)) this.first++;
    while (this.waiting.length > 0 && this.waiting[0]!.at <= this.first) this.waiting.shift()!.action();
  }
}
