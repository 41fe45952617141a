import { TuneError } from '../../base/errors.ts';
import { plural } from '../../base/units.ts';
import { pipInstall } from '../../facts/openwebui/versions.ts';
import { requireDrivers } from '../../facts/settings/drivers.ts';
import { check, error, note, ok, warning } from '../check.ts';

/** Values of a setting that switch something off. */
const OFF = /^(?:false|0|no|off)$/i;

export const pythonChecks = [
  check({
    id: 'python.openwebui',
    title: 'Open WebUI is installed',
    why: 'nothing can be planned or started without it, and another version may not survive a fork',
    source: 'open_webui’s own metadata (Requires-Python); tried with 0.12.4',
    needs: ['interpreter'],
    about: 'interpreter',
    run: ({ interpreter: { python, probe, warnings } }) =>
      warnings.length > 0
        ? warnings.map((text) => warning(text, pipInstall(python, 'open-webui[postgres]==0.12.4')))
        : ok(`Open WebUI ${probe.package.version}, Python ${probe.python}: ${python}`),
  }),
  check({
    id: 'python.drivers',
    title: 'The packages for the database and the vectors are installed',
    why: 'the first start ends with "No module named psycopg2" or "pgvector": both come with an extra only',
    source: 'open-webui’s metadata, extra "postgres"',
    needs: ['interpreter', 'installation', 'effective'],
    run: ({ interpreter: { python, probe }, installation, effective }) => {
      const settings = new Map(installation.settings);
      const store = effective.get('VECTOR_DB');
      if (store !== undefined)
        settings.set('VECTOR_DB', { value: store, source: 'environment', secret: false });
      try {
        requireDrivers(settings, probe.package.drivers, python);
        return ok('as far as the settings need them');
      } catch (problem) {
        if (problem instanceof TuneError) return error(problem.message, ...problem.mend);
        throw problem;
      }
    },
  }),
  check({
    id: 'python.migrations',
    title: 'Its migrations can be read',
    why: 'with files of two versions side by side, the next start cannot tell which way to migrate, and ends',
    source: 'open_webui/migrations/versions, open_webui/config.py',
    needs: ['expected'],
    about: 'expected',
    run: ({ expected: { heads, revisions } }) =>
      heads.length === 1
        ? ok(`${revisions.length} revisions, head ${heads.join(', ')}`)
        : error(
            `${heads.length} heads (${heads.join(', ')}): files of another version are among them`,
            'pip install --force-reinstall --no-deps open-webui',
          ),
  }),
  check({
    id: 'python.frontmatter-pip',
    title: 'Workers do not run pip',
    why: 'N workers that install a tool’s packages at the same time break each other’s files',
    source: 'open_webui/utils/plugin.py; open_webui/env.py, ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS',
    needs: ['effective', 'workers'],
    run: ({ effective, workers }) => {
      const value = effective.get('ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS');
      if (value !== undefined && OFF.test(value)) return ok(`the setting is ${value}`);
      if (workers.count === 1) return ok('there is one worker: nobody is in its way');
      return warning(
        `ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS is ${value ?? 'not set'}: ${workers.count} workers would run pip`,
        'ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS=False, and install beforehand what tools need',
      );
    },
  }),
  check({
    id: 'python.requirements',
    title: 'Tools and functions have the packages that they ask for',
    why: 'a tool whose package is missing fails in every chat that uses it; such a function is switched off',
    source: 'open_webui/utils/plugin.py: "requirements:" in its first lines',
    needs: ['requirements', 'interpreter', 'effective', 'workers'],
    run: ({ requirements, interpreter: { python }, effective, workers }) => {
      const unmet = requirements.filter(({ isMet }) => !isMet);
      if (unmet.length === 0) {
        return ok(
          requirements.length === 0
            ? 'none asks for any'
            : `${plural(requirements.length, 'requirement')}, all of them installed`,
        );
      }
      const list = unmet.map(({ by, text }) => `${by} asks for ${text}`).join(', ');
      const texts = [...new Set(unmet.map(({ text }) => `'${text}'`))].join(' ');
      const value = effective.get('ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS');
      const mend = [`${python} -m pip install ${texts}`, 'pm2 reload open-webui'];
      if (workers.count === 1 && !(value !== undefined && OFF.test(value))) {
        return note(`${list}: the next start of the worker installs it`, ...mend);
      }
      return warning(`${list}, which is not installed`, ...mend);
    },
  }),
];
