import { htmlReport } from '../html/page.ts';
import type { ReportFormat } from '../registry.ts';

/** One page with charts that works offline. */
export default {
  name: 'html',
  title: 'one self-contained page with charts',
  extension: 'html',
  render: (result) => htmlReport([result]),
} satisfies ReportFormat;
