/**
 * Makes test/data/helm/open-webui.yaml.txt anew: what Open WebUI's chart renders of the values that the tests play as pods.
 * `WEBUI_TUNE_CHART=…/helm-charts/charts/open-webui npm run data:chart`
 */
import { CHART, keepChart } from '../test/kit/rendered-chart.ts';

async function main(): Promise<void> {
  if (!CHART)
    throw new Error('WEBUI_TUNE_CHART names no checkout of the chart (its folder charts/open-webui)');
  process.stderr.write(`${await keepChart(CHART)}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
});
