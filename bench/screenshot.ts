/**
 * `npx tsx bench/screenshot.ts REPORT.html FOLDER`: makes the README's pictures of the top of a report by
 * `webui-tune bench --html`, in Chromium: bench-light.png and bench-dark.png, and both in the size of a phone
 * (bench-phone-….png).
 */
import { mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Scope } from '../src/base/io/scope.ts';
import { startBrowser } from './visits/browser.ts';

/** Pixels. The height shows the claims and the first charts. */
const SIZES = { '': { width: 1180, height: 1130 }, 'phone-': { width: 375, height: 1300 } } as const;

const [report, folder] = process.argv.slice(2);
if (report === undefined || folder === undefined)
  throw new Error('give a report and a folder for the pictures');
mkdirSync(folder, { recursive: true });
const scope = new Scope();
try {
  const browser = await startBrowser(scope);
  for (const [device, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await page.goto(pathToFileURL(resolve(report)).href);
      const path = join(folder, `bench-${device}${colorScheme}.png`);
      await page.screenshot({ path });
      console.log(`${path}: ${Math.round(statSync(path).size / 1024)} KiB`);
      await context.close();
    }
  }
} finally {
  await scope.close();
}
