/** The page in a real browser. Where no Chromium can be found these tests are skipped, and say so. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Heat } from '../../../src/figures/heat.ts';
import { htmlReport } from '../../../src/report/html/page.ts';
import { limited, resultOf, run } from '../fixture.ts';

const BINARY = [
  process.env['CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && existsSync(path));
if (BINARY === undefined) {
  console.error(
    'SKIPPED: the report page is not tested in a browser: no Chromium here (apt-get install chromium, or set CHROMIUM)',
  );
}

const HOSTILE = `</script><img src=x onerror="document.title='pwned'"><!--<script>`;

describe.skipIf(BINARY === undefined)('the report page', () => {
  let browser: Browser;
  const folder = mkdtempSync(join(tmpdir(), 'gmem-eval-page-'));
  const troubles: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: BINARY!,
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(text: string, options: Parameters<Browser['newPage']>[0] = {}): Promise<Page> {
    const path = join(folder, 'report.html');
    writeFileSync(path, text);
    const page = await browser.newPage(options);
    troubles.length = 0;
    page.on('console', (message) => troubles.push(message.text()));
    page.on('pageerror', (error) => troubles.push(error.message));
    page.on('request', (request) => {
      if (request.url() !== `file://${path}`) troubles.push(request.url());
    });
    await page.goto(`file://${path}`);
    return page;
  }

  const sizes = ['a', 'b'].flatMap((model, m) =>
    [1, 2].map((ratio) => {
      const base = limited(model, ratio, 10 / ratio);
      return { ...base, metrics: { ...base.metrics, slowdown: ratio + m, 'time.total.ns': 1000 * (ratio + m) } };
    }),
  );
  const grid = () => Float64Array.from({ length: 8 }, (_, i) => i % 2);
  const heat: Heat = {
    columns: 4,
    rows: 2,
    addresses: ['0x200000', '0x400000'],
    runs: sizes.map(() => ({
      startNs: 0,
      endNs: 10,
      cells: { residency: grid(), faults: grid(), evictions: new Float64Array(8) },
      totals: { residency: 4, faults: 4, evictions: 0 },
    })),
  };

  test('draws every chart, asks for nothing from outside, and has nothing to complain', async () => {
    const page = await open(htmlReport([resultOf(sizes)], [heat]));
    // Slowdown, faults, migration, time.
    expect(await page.locator('canvas').count()).toBe(4);
    expect(await page.evaluate('document.documentElement.dataset.charts')).toBe('4');
    const painted = await page.evaluate(`[...document.querySelectorAll('canvas')].map((c) => {
      const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
      return data.some((v) => v !== 0);
    })`);
    expect(painted).toEqual([true, true, true, true]);
    // Two runs and two sizes: four rows of three panels, and none of them empty of frame.
    expect(await page.locator('.panels svg[role=img]').count()).toBe(12);
    expect(troubles).toEqual([]);
    await page.close();
  });

  test('a name that wants to be a script stays a name', async () => {
    const result = resultOf(
      [run(HOSTILE, {}, { preset: HOSTILE, warnings: [HOSTILE], parameters: { [HOSTILE]: HOSTILE } })],
      {
        title: HOSTILE,
        [HOSTILE]: HOSTILE,
        time: `instruction ${HOSTILE}`,
      },
    );
    const { manifest } = result;
    const page = await open(
      htmlReport([
        {
          ...result,
          manifest: {
            ...manifest,
            trace: { ...manifest.trace, name: HOSTILE },
            platform: { ...manifest.platform, name: HOSTILE, title: HOSTILE, sources: { '*': HOSTILE } },
            models: [{ model: HOSTILE, preset: null, title: HOSTILE, sources: [HOSTILE], parameters: {}, metrics: {} }],
          },
        },
      ]),
    );
    await page.waitForTimeout(100);
    expect(await page.title()).toBe(`gmem-eval: ${HOSTILE} on ${HOSTILE}`);
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('h2').innerText()).toBe(`${HOSTILE} on ${HOSTILE}`);
    // Two of data, the library, and the script of the page.
    expect(await page.locator('script').count()).toBe(4);
    expect(await page.evaluate('document.documentElement.dataset.charts')).toBe('3');
    expect(troubles).toEqual([]);
    await page.close();
  });

  test('markup that got in all the same could not run: the policy of the page forbids it', async () => {
    const text = htmlReport([resultOf([run('a')])]).replace(
      '<main',
      `<img src=x onerror="document.title='pwned'"><main`,
    );
    const page = await open(text);
    await page.waitForTimeout(100);
    expect(await page.title()).not.toBe('pwned');
    expect(troubles.join('\n')).toContain('Content Security Policy');
    await page.close();
  });

  test('light and dark by the choice of the reader, also when it changes', async () => {
    const page = await open(htmlReport([resultOf(sizes)]), { colorScheme: 'dark' });
    const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor') as Promise<string>;
    const text = () => page.evaluate('Chart.defaults.color') as Promise<string>;
    const dark = [await ground(), await text()];
    await page.emulateMedia({ colorScheme: 'light' });
    await page.waitForTimeout(50);
    const light = [await ground(), await text()];
    expect(light[0]).not.toBe(dark[0]);
    expect(light[1]).not.toBe(dark[1]);
    // Paper is light, whatever the screen is.
    await page.emulateMedia({ colorScheme: 'dark', media: 'print' });
    await page.waitForTimeout(50);
    expect(await text()).toBe(light[1]);
    expect(await ground()).toBe('rgb(255, 255, 255)');
    expect(troubles).toEqual([]);
    await page.close();
  });

  test('narrow: the page does not scroll sideways, tables do', async () => {
    const wide = resultOf(Array.from({ length: 9 }, (_, i) => run(`stack${i}`, { 'faults.device': 9 - i })));
    const page = await open(htmlReport([wide]), { viewport: { width: 360, height: 700 } });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    expect(
      await page.evaluate(
        `(() => { const t = document.querySelector('.scroll'); return t.scrollWidth > t.clientWidth; })()`,
      ),
    ).toBe(true);
    await page.close();
  });

  test('by keyboard and by ear: skip link, scrollable tables, a table for every chart', async () => {
    const page = await open(htmlReport([resultOf(sizes)], [heat]));
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the report');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('report');
    for (const figure of await page.locator('figure').all()) {
      expect(await figure.locator('[role=img][aria-label]').count()).toBeGreaterThan(0);
      await figure.locator('summary').press('Enter');
      expect(await figure.locator('table').isVisible()).toBe(true);
      expect(await figure.locator('tbody tr').count()).toBe(4);
    }
    for (const region of await page.locator('.scroll').all()) {
      expect(await region.getAttribute('tabindex')).toBe('0');
      expect(await region.getAttribute('aria-label')).toBeTruthy();
    }
    expect(await page.locator('td.best .hidden').first().textContent()).toBe(' (best)');
    await page.close();
  });

  test('prints: all charts and open tables on paper', async () => {
    const page = await open(htmlReport([resultOf(sizes)], [heat]), { colorScheme: 'dark' });
    const pdf = await page.pdf({ format: 'A4', preferCSSPageSize: true });
    const pages = pdf.toString('latin1').match(/\/Type \/Page\b(?!s)/g)?.length ?? 0;
    expect(pages).toBeGreaterThan(1);
    expect(pages).toBeLessThan(12);
    await page.close();
  });
});
