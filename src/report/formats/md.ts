import { markdownReport } from '../markdown/report.ts';
import type { ReportFormat } from '../registry.ts';

/** For job summaries, merge requests and wikis. */
export default {
  name: 'md',
  title: 'a Markdown report',
  extension: 'md',
  render: (result) => markdownReport([result]),
} satisfies ReportFormat;
