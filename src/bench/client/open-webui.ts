/** Talks to Open WebUI as its web page does (0.12.4). */
import { randomUUID } from 'node:crypto';
import type { Agent } from 'node:http';
import { io, type Socket } from 'socket.io-client';
import type { Scope } from '../../base/io/scope.ts';
import { until } from '../../base/io/wait.ts';
import { CHAT_MODEL } from '../scratch/upstream.ts';
import { OneConnection, request } from './http.ts';

const ERROR = 'chat:message:error';
const SOCKET_TIMEOUT_MS = 10_000;
const CHAT_TIMEOUT_MS = 60_000;
const LOOK_MS = 1_000;
const PROCESS_TIMEOUT_MS = 120_000;

/** An event as it arrives at the page; Open WebUI wraps the payload twice. */
export interface ChatEvent {
  chat_id: string;
  message_id: string;
  data: { type: string; data?: { type?: string; delta?: string; done?: boolean; error?: unknown } };
}

export interface ChatAnswer {
  chatId: string;
  messageId: string;
  /** What was streamed, piece after piece. */
  text: string;
  /** How many pieces it came in. */
  deltas: number;
  /** Milliseconds from the question until the first piece. */
  firstMs: number;
}

export interface UploadedFile {
  id: string;
  name: string;
  /** Its collection in the vector store. */
  collection: string;
}

export interface FileState {
  status: string;
  /** Why it failed. */
  error?: string | undefined;
  /** How many documents come before it, and itself. */
  place?: number | null | undefined;
}

interface PostOptions {
  agent?: Agent | undefined;
  /** What the answer is to be looked for in. */
  files?: readonly UploadedFile[] | undefined;
}

/** What the server has to know of a page that asks: the id of its socket. */
interface Asking {
  socket: { id?: string | undefined };
}

export interface PageSocket {
  socket: Socket;
  /** The connection that carries the WebSocket. */
  connection: OneConnection;
  close(): void;
}

export class OpenWebui {
  readonly url: string;
  readonly token: string;

  private constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  /** Makes the first account, which is the administrator's. */
  static async signUp(url: string, credentials: { email: string; password: string }): Promise<OpenWebui> {
    return OpenWebui.#enter(`${url}/api/v1/auths/signup`, url, { name: 'Administrator', ...credentials });
  }

  static async signIn(url: string, credentials: { email: string; password: string }): Promise<OpenWebui> {
    return OpenWebui.#enter(`${url}/api/v1/auths/signin`, url, credentials);
  }

  /** Somebody who has signed in at a server with the same key and the same users. */
  static withToken(url: string, token: string): OpenWebui {
    return new OpenWebui(url, token);
  }

  static async #enter(address: string, url: string, form: object): Promise<OpenWebui> {
    const answer = await request(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(form),
    });
    if (answer.status !== 200) throw new Error(`${address}: ${answer.status} ${answer.body}`);
    const { token } = JSON.parse(answer.body) as { token: string };
    return new OpenWebui(url, token);
  }

  get headers(): Record<string, string> {
    return { authorization: `Bearer ${this.token}` };
  }

  /** Calls the API and returns the answer's JSON; anything but a 200 is an error. */
  async call<T>(method: string, path: string, body?: unknown, agent?: Agent, timeoutMs?: number): Promise<T> {
    const answer = await request(`${this.url}${path}`, {
      method,
      agent,
      ...(timeoutMs !== undefined && { timeoutMs }),
      headers: { ...this.headers, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return JSON.parse(answer.body) as T;
  }

  /** Makes another user, who is signed in. This user has to be an administrator. */
  async addUser(name: string): Promise<OpenWebui> {
    const credentials = { email: `${name}@example.org`, password: `password-of-${randomUUID()}` };
    const form = { name, role: 'user', ...credentials };
    const { token } = await this.call<{ token: string }>('POST', '/api/v1/auths/add', form);
    return new OpenWebui(this.url, token);
  }

  /** Opens the WebSocket that a page holds, and joins it to the user's room. */
  async connectSocket(scope: Scope): Promise<PageSocket> {
    const connection = new OneConnection();
    const socket = io(this.url, {
      path: '/ws/socket.io',
      transports: ['websocket'],
      auth: { token: this.token },
      reconnection: false,
      forceNew: true,
      // The declared type knows browsers only; in Node it is handed on to http.request.
      agent: connection as unknown as string,
    });
    const close = () => {
      socket.disconnect();
      connection.destroy();
    };
    scope.defer('socket', close);
    await new Promise<void>((resolve, reject) =>
      socket.once('connect', resolve).once('connect_error', reject),
    );
    const auth = { token: this.token };
    await socket.timeout(SOCKET_TIMEOUT_MS).emitWithAck('user-join', { auth });
    return { socket, connection, close };
  }

  /** Asks in a new chat, and returns as soon as the question is accepted. */
  async post(
    page: Asking,
    prompt: string,
    { messageId = randomUUID(), agent, files = [] }: PostOptions & { messageId?: string } = {},
  ): Promise<{ chatId: string; messageId: string }> {
    const body = {
      stream: true,
      model: CHAT_MODEL,
      ...(files.length > 0 && { files: files.map(({ id, name }) => ({ type: 'file', id, name })) }),
      messages: [{ role: 'user', content: prompt }],
      params: {},
      features: {},
      session_id: page.socket.id,
      id: messageId,
      parent_id: null,
      user_message: {
        id: randomUUID(),
        parentId: null,
        childrenIds: [messageId],
        role: 'user',
        content: prompt,
        timestamp: Math.floor(Date.now() / 1000),
        models: [CHAT_MODEL],
      },
      background_tasks: { title_generation: true },
    };
    const { chat_id } = await this.call<{ chat_id: string }>('POST', '/api/chat/completions', body, agent);
    return { chatId: chat_id, messageId };
  }

  /**
   * Asks in a new chat and follows the answer on the page's socket until it ends. Once the server is done with it,
   * nothing more is sent: a page that has not received the end within `arrivalMs` after that never will.
   */
  async chat(
    page: PageSocket,
    prompt: string,
    { agent, files, arrivalMs = Number.POSITIVE_INFINITY }: PostOptions & { arrivalMs?: number } = {},
  ): Promise<ChatAnswer> {
    const messageId = randomUUID();
    const events: ChatEvent[] = [];
    const asked = performance.now();
    let firstMs = Number.POSITIVE_INFINITY;
    const collect = (event: ChatEvent) => {
      if (event.message_id !== messageId) return;
      if (isDelta(event)) firstMs = Math.min(firstMs, performance.now() - asked);
      events.push(event);
    };
    page.socket.on('events', collect);
    try {
      const { chatId } = await this.post(page, prompt, { messageId, agent, files });
      const isLost = Number.isFinite(arrivalMs) ? this.#longDone(chatId, arrivalMs) : () => false;
      const last = await until(async () => events.find(isLast) ?? ((await isLost()) && 'lost'), {
        what: `the answer to ${prompt} ends`,
        timeoutMs: CHAT_TIMEOUT_MS,
      });
      if (last === 'lost') {
        throw new Error(
          `the answer to ${prompt} was generated, and the page had not heard its end ${arrivalMs / 1000} s later`,
        );
      }
      if (last.data.type === ERROR) throw new Error(`the answer failed: ${JSON.stringify(last.data)}`);
      return { chatId, messageId, firstMs, ...summary(events) };
    } finally {
      page.socket.off('events', collect);
    }
  }

  /** Whether nothing of that chat has been generated for so long; asked again and again. */
  #longDone(chatId: string, milliseconds: number): () => Promise<boolean> {
    // Most answers are there by then, and nothing is asked.
    let nextLook = performance.now() + milliseconds;
    let since: number | undefined;
    return async () => {
      const now = performance.now();
      if (since !== undefined) return now - since >= milliseconds;
      if (now < nextLook) return false;
      nextLook = now + LOOK_MS;
      const { task_ids } = await this.call<{ task_ids: string[] }>('GET', `/api/tasks/chat/${chatId}`);
      if (task_ids.length === 0) since = now;
      return false;
    };
  }

  /** The text of an answer as it was saved. */
  async savedAnswer(
    { chatId, messageId }: { chatId: string; messageId: string },
    agent?: Agent,
  ): Promise<string> {
    const { chat } = await this.call<SavedChat>('GET', `/api/v1/chats/${chatId}`, undefined, agent);
    const message = chat.history.messages[messageId];
    const texts = (message?.output ?? []).flatMap((item) => item.content.map((part) => part.text));
    return texts.join('') || (message?.content ?? '');
  }

  /** Uploads a text file and waits until it can be searched. */
  async upload(name: string, text: string, agent?: Agent): Promise<UploadedFile> {
    const id = await this.send(name, text, 'text/plain', agent);
    const file = await this.processed(id);
    if (file.status !== 'completed') throw new Error(`processing ${name}: ${file.status} ${file.error}`);
    return { id, name, collection: `file-${id}` };
  }

  /** Uploads a file, and returns its id before it is processed. */
  async send(
    name: string,
    content: string | Buffer<ArrayBuffer>,
    type: string,
    agent?: Agent,
  ): Promise<string> {
    const form = new FormData();
    form.append('file', new Blob([content], { type }), name);
    // Encodes the form; it is never sent itself.
    const encoded = new Request(this.url, { method: 'POST', body: form });
    const answer = await request(`${this.url}/api/v1/files/`, {
      method: 'POST',
      headers: { ...this.headers, 'content-type': encoded.headers.get('content-type') ?? '' },
      body: Buffer.from(await encoded.arrayBuffer()),
      agent,
    });
    if (answer.status !== 200) throw new Error(`upload: ${answer.status} ${answer.body}`);
    return (JSON.parse(answer.body) as { id: string }).id;
  }

  /**
   * Waits until an uploaded file is processed, and says with what end. Each question reads all of the file's text, and asking
   * for more than the status sends it.
   */
  processed(id: string, timeoutMs = PROCESS_TIMEOUT_MS, intervalMs = 100): Promise<FileState> {
    return until(
      async () => {
        const { status } = await this.call<FileState>('GET', `/api/v1/files/${id}/process/status`);
        if (status === 'failed') return await this.fileState(id);
        return status === 'completed' ? { status } : undefined;
      },
      { what: `the file ${id} is processed`, timeoutMs, intervalMs },
    );
  }

  /** What the database says of an uploaded file. */
  async fileState(id: string): Promise<FileState> {
    const { data } = await this.call<{ data: FileState }>('GET', `/api/v1/files/${id}`);
    return { status: data.status, error: data.error, place: data.place };
  }

  /** The pieces of an uploaded file that are nearest to the query, the nearest first. */
  async query(collection: string, query: string, timeoutMs?: number): Promise<string[]> {
    const body = { collection_name: collection, query, k: 3 };
    const path = '/api/v1/retrieval/query/doc';
    const found = await this.call<{ documents: string[][] }>('POST', path, body, undefined, timeoutMs);
    return found.documents[0] ?? [];
  }
}

interface SavedMessage {
  content?: string;
  output?: { content: { text: string }[] }[];
}

interface SavedChat {
  chat: { history: { messages: Record<string, SavedMessage> } };
}

/** The piece of an answer that an event brings; undefined where it brings none. */
export function deltaOf(event: ChatEvent): string | undefined {
  return isDelta(event) ? event.data.data?.delta : undefined;
}

export function isLast({ data }: ChatEvent): boolean {
  return data.type === ERROR || (data.type === 'chat:completion' && data.data?.done === true);
}

function isDelta({ data }: ChatEvent): boolean {
  return data.data?.type === 'response.output_text.delta';
}

function summary(events: ChatEvent[]): { text: string; deltas: number } {
  const deltas = events.filter(isDelta);
  return { text: deltas.map(({ data }) => data.data?.delta ?? '').join(''), deltas: deltas.length };
}
