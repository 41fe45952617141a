/** Visits in a real Chromium, each with an empty cache. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import type { Scope } from '../../src/base/io/scope.ts';
import { until } from '../../src/base/io/wait.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const TIMEOUT_MS = 60_000;

/** Milliseconds without a new request after which a page counts as loaded; scripts make their next one much sooner. */
const QUIET_MS = 1_000;

export interface Credentials {
  email: string;
  password: string;
}

/** Starts the Chromium of WEBUI_TUNE_CHROMIUM, or the one on the PATH: playwright-core contains none. */
export async function startBrowser(scope: Scope): Promise<{ newContext(): Promise<BrowserContext> }> {
  const browser = await chromium.launch({
    executablePath: findChromium(),
    // Chromium's sandbox does not start as root, and only our own page is visited.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  scope.defer('browser', () => browser.close());
  return {
    async newContext() {
      const context = await browser.newContext({ locale: 'en-US', serviceWorkers: 'block' });
      context.setDefaultTimeout(TIMEOUT_MS);
      return context;
    },
  };
}

function findChromium(): string {
  const given = process.env.WEBUI_TUNE_CHROMIUM;
  if (given) return given;
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram);
  if (found) return found;
  throw new Error(`none of ${NAMES.join(', ')} is on the PATH: install one, or set WEBUI_TUNE_CHROMIUM`);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Opens the page with an empty cache. Returns the milliseconds until the login form appears. */
export async function visitLogin(context: BrowserContext, url: string): Promise<number> {
  const page = await context.newPage();
  const started = performance.now();
  await page.goto(`${url}/`);
  await page.locator('input[type=email]').waitFor();
  const shown = performance.now() - started;
  await untilQuiet(page);
  await page.close();
  return shown;
}

/** Signs in with the form, and waits for the field for questions. */
export async function signIn(context: BrowserContext, url: string, { email, password }: Credentials) {
  const page = await context.newPage();
  await page.goto(`${url}/`);
  await page.locator('input[type=email]').fill(email);
  await page.locator('input[type=password]').fill(password);
  await page.locator('button[type=submit]').click();
  await page.locator('#chat-input').waitFor();
  await untilQuiet(page);
  return page;
}

/** Waits until the page makes no more requests. Playwright's own "networkidle" never comes while a poll is open. */
export async function untilQuiet(page: Page): Promise<void> {
  let last = performance.now();
  page.on('request', () => {
    last = performance.now();
  });
  await until(() => performance.now() - last > QUIET_MS, {
    what: 'the page is quiet',
    timeoutMs: TIMEOUT_MS,
  });
}
