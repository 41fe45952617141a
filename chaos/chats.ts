/** Chats that are generated all the time. Each answer is read from the database once it should be complete. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { OneConnection } from '../src/bench/client/http.ts';
import type { OpenWebui } from '../src/bench/client/open-webui.ts';
import { wholeAnswer } from '../src/bench/scratch/upstream.ts';
import type { Cluster } from '../test/kit/cluster.ts';

/** Milliseconds after the time that its tokens take. An answer that is then incomplete counts as cut. */
const PATIENCE_MS = 20_000;
const POLL_MS = 500;

/** The longest time to wait for an answer: longer than any outage that an event causes. */
const OUTAGE_MS = 300_000;

export interface ChatsReport {
  asked: number;
  whole: number;
  /** Answers to accepted questions that never became complete. */
  cut: string[];
  /** Questions that were not accepted. */
  refusedQuestions: { problem: string; port: number | undefined }[];
}

export class Chats {
  readonly #cluster: Cluster;
  readonly #ui: OpenWebui;
  readonly #report: ChatsReport = { asked: 0, whole: 0, cut: [], refusedQuestions: [] };
  readonly #clients: Promise<void>[];
  /** Connections of killed workers, whose answers are lost with them. */
  readonly #lostPorts = new Set<number>();
  #isStopping = false;

  constructor(cluster: Cluster, ui: OpenWebui, count: number) {
    this.#cluster = cluster;
    this.#ui = ui;
    this.#clients = Array.from({ length: count }, () => this.#client());
  }

  /** From now on, answers to questions over these connections may be cut. */
  giveUp(ports: Set<number>): void {
    for (const port of ports) this.#lostPorts.add(port);
  }

  async stop(): Promise<ChatsReport> {
    this.#isStopping = true;
    await Promise.all(this.#clients);
    return this.#report;
  }

  async #client(): Promise<void> {
    const connection = new OneConnection();
    while (!this.#isStopping) await this.#ask(connection);
    connection.destroy();
  }

  async #ask(connection: OneConnection): Promise<void> {
    const prompt = `chat${randomUUID().slice(0, 8)}`;
    let chat: { chatId: string; messageId: string };
    try {
      chat = await this.#ui.post({ socket: { id: randomUUID() } }, prompt, { agent: connection });
    } catch (error) {
      this.#report.refusedQuestions.push({ problem: String(error), port: connection.lastPort });
      await sleep(POLL_MS);
      return;
    }
    this.#report.asked += 1;
    const port = connection.lastPort;
    const { pace } = this.#cluster.services.upstream;
    const expected = wholeAnswer(prompt, pace);
    let deadline = performance.now() + pace.tokens * pace.pauseMs + PATIENCE_MS;
    let saved = '';
    const latest = performance.now() + OUTAGE_MS;
    while (performance.now() < Math.min(deadline, latest)) {
      const asked = performance.now();
      // Over the same connection: it tells which worker generates, and would be closed if it were idle.
      const answer = await this.#ui.savedAnswer(chat, connection).catch(() => undefined);
      saved = answer ?? saved;
      if (saved === expected) {
        this.#report.whole += 1;
        return;
      }
      if (port !== undefined && this.#lostPorts.delete(port)) return;
      await sleep(POLL_MS);
      // While the database is down, the answer may still be complete. The database is back before the event ends.
      if (answer === undefined) deadline += performance.now() - asked;
    }
    this.#report.cut.push(`${prompt}: ${saved.length} of ${expected.length} characters`);
  }
}
