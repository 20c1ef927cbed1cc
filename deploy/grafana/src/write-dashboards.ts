import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildDashboards, DASHBOARD_FOLDER, renderDashboard } from './dashboards.js';

// `npm run dashboards`: writes the files that Grafana reads.
for (const [file, dashboard] of buildDashboards()) {
  await writeFile(join(DASHBOARD_FOLDER, file), renderDashboard(dashboard));
}
