/** A real browser on Open WebUI's page, used as a person does (0.12.4). */
import { type Browser, chromium, type Page } from 'playwright-core';
import { findChromium } from '../../scripts/chromium.mjs';
import type { Scope } from '../../src/base/io/scope.ts';
import { PATIENCE_MS } from './patience.ts';

export async function startBrowser(scope: Scope): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined)
    throw new Error('no Chromium: node scripts/chromium.mjs says how to get one');
  const browser = await chromium.launch({
    executablePath,
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

  /** Signs in by the form; the first time, closes what greets a new user. */
  static async signIn(
    browser: Browser,
    url: string,
    { email, password, isFirst = false }: { email: string; password: string; isFirst?: boolean },
  ): Promise<ChatPage> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-US' });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(`${url}/auth`);
    await page.locator('input[type=email]').fill(email);
    await page.locator('input[type=password]').fill(password);
    await page.locator('button[type=submit]').click();
    await page.locator('#chat-input').waitFor();
    // An administrator is told once what is new in this version, some time after the page has come.
    if (isFirst) await page.getByRole('button', { name: /Okay, Let.s Go!/ }).click();
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
