// The page's side of worker.ts: calls become messages, answers settle promises.
import { PictureError } from '../pictures/decode.ts';
import type { Answer, WorkerCalls } from './worker.ts';

export class PictureThread {
  private readonly worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  private readonly waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  private next = 0;
  private closed = false;
  private closing = false;

  constructor() {
    this.worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
      const call = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error === undefined) call?.resolve(data.result);
      else call?.reject(new PictureError(data.error));
      if (this.closing) this.closeIfDone();
    });
    this.worker.addEventListener('error', () => this.fail('The part of the editor that reads pictures could not be loaded. Reload the page.'));
  }

  /** Calls a function of the thread. `moved` are buffers that the page gives away. */
  call<K extends keyof WorkerCalls>(name: K, args: Parameters<WorkerCalls[K]>, moved: Transferable[] = []): ReturnType<WorkerCalls[K]> {
    const answer = new Promise((resolve, reject) => {
      if (this.closed) return reject(new PictureError('The editor was closed.'));
      const id = ++this.next;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, name, args }, moved);
    });
    return answer as ReturnType<WorkerCalls[K]>;
  }

  /** Ends the thread. What was asked and not answered is rejected. */
  close(): void {
    this.closed = true;
    this.worker.terminate();
    this.fail('The editor was closed.');
  }

  /** Ends the thread when everything that was asked, up to the end of the current task, is answered. */
  closeWhenDone(): void {
    this.closing = true;
    window.setTimeout(() => this.closeIfDone());
  }

  private closeIfDone() {
    // An answer may lead to the next question.
    window.setTimeout(() => {
      if (this.waiting.size === 0 && !this.closed) this.close();
    });
  }

  private fail(reason: string) {
    for (const { reject } of this.waiting.values()) reject(new PictureError(reason));
    this.waiting.clear();
  }
}
