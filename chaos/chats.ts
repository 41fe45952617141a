/** Chats that are being generated all the time; each is read again from the database once it should be whole. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../test/kit/cluster.ts';
import { OneConnection } from '../test/kit/http.ts';
import type { OpenWebui } from '../test/kit/openwebui.ts';
import { wholeAnswer } from '../test/kit/upstream.ts';

/** Milliseconds beyond the time that its tokens take after which an answer that is not whole counts as cut. */
const PATIENCE_MS = 20_000;
const POLL_MS = 500;

/** The longest time that an answer is asked for: longer than any outage that an event makes. */
const OUTAGE_MS = 300_000;

export interface ChatsReport {
  asked: number;
  whole: number;
  /** Answers that were accepted and never became whole. */
  cut: string[];
  /** Questions that were not accepted. */
  refusedQuestions: { problem: string; port: number | undefined }[];
}

export class Chats {
  readonly #cluster: Cluster;
  readonly #ui: OpenWebui;
  readonly #report: ChatsReport = { asked: 0, whole: 0, cut: [], refusedQuestions: [] };
  readonly #clients: Promise<void>[];
  /** Connections of workers that were killed: their answers are lost with them. */
  readonly #lostPorts = new Set<number>();
  #isStopping = false;

  constructor(cluster: Cluster, ui: OpenWebui, count: number) {
    this.#cluster = cluster;
    this.#ui = ui;
    this.#clients = Array.from({ length: count }, () => this.#client());
  }

  /** Answers asked for over these connections may be cut from now on. */
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
      // Over the same connection: it would be closed as idle, and then tells no longer which worker generates.
      const answer = await this.#ui.savedAnswer(chat, connection).catch(() => undefined);
      saved = answer ?? saved;
      if (saved === expected) {
        this.#report.whole += 1;
        return;
      }
      if (port !== undefined && this.#lostPorts.delete(port)) return;
      await sleep(POLL_MS);
      // While nobody can read it, nobody can say that it is cut; the service is back before the event ends.
      if (answer === undefined) deadline += performance.now() - asked;
    }
    this.#report.cut.push(`${prompt}: ${saved.length} of ${expected.length} characters`);
  }
}
