import type { SettingsGroup } from './group.ts';

/** Packages that tools ask for: open_webui/utils/plugin.py (0.12.4). N workers would run pip at the same time, in one folder. */
export const pluginsGroup: SettingsGroup = {
  keys: ['ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS'],
  recommend({ workers }) {
    if (workers === 1) return [];
    return [
      {
        key: 'ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS',
        value: 'False',
        reason:
          'workers that run pip at the same time break each other’s packages: install what tools need beforehand',
      },
    ];
  },
};
