import { MIB } from '../../base/units.ts';
import type { Places } from '../../plan/places.ts';
import type { Plan } from '../../plan/types.ts';
import { APPS, RUN_FOLDER, RUNTIME_FILES } from '../../runtime/contract.ts';
import { hardening } from './hardening.ts';
import { commandWord, type Line, type Unit } from './unit.ts';

/** Names of the units that a range of workers has beside the others. */
export const SCALE_UNITS = {
  scale: 'open-webui-scale.service',
  /** Watches the file that the first one writes, and starts the last one. */
  path: 'open-webui-workers.path',
  workers: 'open-webui-workers.service',
} as const;

interface Parts {
  /** Comment at the top of each. */
  header: readonly string[];
  target: string;
  preload: string;
  /** Folder of the control socket. */
  runFolder: string;
  node: string;
  common(script: string, program: string): Line[];
  environment: readonly Line[];
}

/**
 * What starts and stops workers as the load asks for; none where their number is fixed. The process that decides runs as the
 * user of the services, and may start no units. It writes the number into a file, and a unit of root's does the rest: that
 * reads one number, and its program is nobody else's to change.
 */
export function scaleUnits(plan: Plan, parts: Parts): Unit[] {
  const { places, leastWorkers } = plan;
  if (leastWorkers === undefined) return [];
  const { header, target } = parts;
  const file = `${parts.runFolder}/${RUN_FOLDER.workers}`;
  return [
    scaleUnit(places, parts),
    {
      name: SCALE_UNITS.path,
      about: [...header, `Starts ${SCALE_UNITS.workers} when the number of workers is to change.`],
      sections: [
        {
          name: 'Unit',
          lines: [
            { key: 'Description', value: 'Open WebUI: the number of workers' },
            { key: 'PartOf', value: target },
          ],
        },
        { name: 'Path', lines: [{ key: 'PathChanged', value: file }] },
      ],
    },
    {
      name: SCALE_UNITS.workers,
      about: [
        ...header,
        'Starts open-webui@1 to open-webui@N, and stops the others. It runs as root, and ends at once.',
      ],
      sections: [
        {
          name: 'Unit',
          lines: [
            { key: 'Description', value: 'Open WebUI: as many workers as the load asks for' },
            { key: 'StartLimitIntervalSec', value: '0' },
          ],
        },
        {
          name: 'Service',
          lines: [
            { key: 'Type', value: 'oneshot' },
            {
              key: 'ExecStart',
              value: `/bin/sh -c ${commandWord(startAndStop(file, leastWorkers, plan.workers))}`,
            },
            { key: 'TimeoutStartSec', value: '30' },
            // Root has to enter the folder, which is the user's alone.
            ...hardening({ writes: [], reads: [], capability: 'CAP_DAC_READ_SEARCH' }),
          ],
        },
      ],
    },
  ];
}

/** For the shell. A file that holds no number, or one outside of the range, changes nothing. */
function startAndStop(file: string, least: number, most: number): string {
  return (
    `n=$(head -c 8 ${file}) && [ "$n" -ge ${least} ] && [ "$n" -le ${most} ] || exit 0; ` +
    `i=1; while [ $i -le ${most} ]; do ` +
    '[ $i -le "$n" ] && do=start || do=stop; systemctl --no-block $do open-webui@$i.service; i=$((i+1)); done'
  );
}

function scaleUnit(
  places: Places,
  { header, target, preload, runFolder, node, common, environment }: Parts,
): Unit {
  return {
    name: SCALE_UNITS.scale,
    about: [...header, 'Decides how many workers there are to be.'],
    sections: [
      {
        name: 'Unit',
        lines: [
          { key: 'Description', value: `Open WebUI: ${APPS.scale}` },
          { key: 'PartOf', value: target },
          { key: 'After', value: preload },
          // Its folder is made by the preload process.
          { key: 'StartLimitIntervalSec', value: '0' },
        ],
      },
      {
        name: 'Service',
        lines: [
          { key: 'Type', value: 'exec' },
          ...common(`${places.runtime}/${RUNTIME_FILES.scale}`, node),
          { key: 'RestartSec', value: '1' },
          { key: 'MemoryMax', value: String(128 * MIB) },
          ...environment,
          ...hardening({ writes: [runFolder], reads: [places.runtime, node, places.dataDir] }),
        ],
      },
    ],
  };
}
