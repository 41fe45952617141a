/** A real browser on Open WebUI's page, used as a person does (0.12.4). */
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { findOnPath } from '../../src/openwebui/path.ts';
import type { Scope } from './scope.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** A page of a machine with other work takes long to come up. */
const PAGE_TIMEOUT_MS = 60_000;

/** The Chromium of this machine; an error says how to get one. */
export function findChromium(): string {
  const named = process.env.WEBUI_TUNE_TEST_CHROMIUM;
  if (named !== undefined && existsSync(named)) return named;
  const found = NAMES.map((name) => findOnPath(name, process.env.PATH)).find((path) => path !== undefined);
  if (found !== undefined) return found;
  throw new Error(
    'no Chromium: node scripts/chromium.mjs installs one (Debian), or set WEBUI_TUNE_TEST_CHROMIUM to its program',
  );
}

export async function startBrowser(scope: Scope): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: findChromium(),
    headless: true,
    // Root has no sandbox; and the shared memory of a container is small.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  scope.defer('browser', () => browser.close());
  return browser;
}

export class ChatPage {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /** Signs in by the form, and closes what greets a new user. */
  static async signIn(
    browser: Browser,
    url: string,
    { email, password }: { email: string; password: string },
  ): Promise<ChatPage> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-US' });
    const page = await context.newPage();
    page.setDefaultTimeout(PAGE_TIMEOUT_MS);
    await page.goto(`${url}/auth`);
    await page.locator('input[type=email]').fill(email);
    await page.locator('input[type=password]').fill(password);
    await page.locator('button[type=submit]').click();
    await page.locator('#chat-input').waitFor();
    const greeting = page.getByRole('button', { name: /Okay, Let.s Go!/ });
    // It comes after the page: once for each user and version.
    await greeting.click({ timeout: 5_000 }).catch(() => undefined);
    return new ChatPage(page);
  }

  /** Attaches a text file to the next question, and waits until it can be searched. */
  async attach(name: string, text: string): Promise<void> {
    const processed = this.page.waitForResponse(
      (response) => /\/api\/v1\/files\//.test(response.url()) && response.request().method() === 'POST',
    );
    await this.page
      .locator('input[type=file]')
      .first()
      .setInputFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });
    const answer = await processed;
    if (!answer.ok()) throw new Error(`upload: ${answer.status()} ${await answer.text()}`);
    await this.page.getByText(name).first().waitFor();
  }

  /** Types a question, sends it, and waits for a text in the answer. */
  async ask(question: string, expected: string): Promise<void> {
    await this.page.locator('#chat-input').click();
    await this.page.keyboard.type(question);
    await this.page.locator('#send-message-button').click();
    await this.page.getByText(expected).first().waitFor();
  }

  /** Opens a chat by its address. */
  async open(url: string): Promise<void> {
    await this.page.goto(url);
  }
}
