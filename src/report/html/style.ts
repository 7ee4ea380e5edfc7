/** The look of the page: light and dark by the reader's choice, narrow and wide, and on paper. */
import { SHADES } from '../../figures/palette.ts';

const shades = (colors: readonly string[]): string => colors.map((color, i) => `--s${i}:${color};`).join('');
/** On dark ground much is light. */
const DARK_SHADES = ['#214E7A', '#2A6BA3', '#3A8AC8', '#62ACDF', '#9CCDED', '#E2F1FC'];

const LIGHT = `--paper:#fbfbfc;--card:#fff;--ink:#16191f;--soft:#545b66;--rule:#e1e4e9;--wash:#f3f5f8;--accent:#0b62a4;--best:#e5f3ec;--best-ink:#00634a;--warn:#fff6e0;--warn-rule:#d99a00;${shades(SHADES)}`;
const DARK = `--paper:#101318;--card:#171b22;--ink:#e8ebf0;--soft:#a3acb9;--rule:#2b323d;--wash:#1e242d;--accent:#7cc0f4;--best:#12352a;--best-ink:#7fe0bd;--warn:#332a12;--warn-rule:#e0aa2f;${shades(DARK_SHADES)}`;

export const STYLE = `
:root{color-scheme:light dark;${LIGHT}}
@media screen and (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main,header,footer{max-width:76rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2.25rem}
h1{font-size:1.9rem;line-height:1.2;letter-spacing:-.02em;margin:0 0 .35rem}
h2{font-size:1.45rem;line-height:1.25;letter-spacing:-.015em;margin:3rem 0 .4rem;overflow-wrap:anywhere}
h3{font-size:1.12rem;margin:2.1rem 0 .5rem}
h4{font-size:1rem;margin:1.2rem 0 .35rem}
h1,h3,h4,p,li,dd{overflow-wrap:anywhere}
p{margin:.4rem 0}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem 1rem;z-index:1}
.lead,.facts,figcaption{color:var(--soft)}
.facts{list-style:none;padding:0;margin:.3rem 0 0;font-size:.92rem}
nav ul{display:flex;flex-wrap:wrap;gap:.35rem 1.1rem;list-style:none;padding:0;margin:.9rem 0 0;font-size:.95rem}
.note{background:var(--warn);border-left:4px solid var(--warn-rule);padding:.5rem .9rem;border-radius:4px;margin:.7rem 0;font-size:.94rem}
.scroll{position:relative;overflow-x:auto;background:var(--card);border:1px solid var(--rule);border-radius:10px;margin:.5rem 0 1rem}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding:.6rem .9rem .1rem;font-size:.9rem}
th,td{padding:.38rem .9rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
tbody tr:last-child>*{border-bottom:0}
thead th{border-bottom:2px solid var(--rule);vertical-align:bottom;font-weight:650}
th[scope=row]{text-align:left;font-weight:500;position:sticky;left:0;background:var(--card)}
td.words{white-space:normal;text-align:left;min-width:18rem;color:var(--soft);font-size:.92em}
th[scope=row] abbr{text-decoration:none}
tbody tr:hover>*{background:var(--wash)}
.best,tbody tr:hover>.best{background:var(--best);color:var(--best-ink);font-weight:650}
.best::after{content:" \\2605";font-size:.8em}
.text td,.text thead th{text-align:left;white-space:normal;overflow-wrap:anywhere}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
details{margin:.4rem 0 1rem}
summary{cursor:pointer;color:var(--accent);font-size:.94rem;padding:.2rem 0;width:fit-content}
figure{margin:.6rem 0 1.4rem;background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:1rem 1.1rem}
figure h3{margin:0 0 .2rem}
figcaption{font-size:.9rem;margin-bottom:.6rem;max-width:62rem}
figure details{margin-bottom:0}
figure .scroll{border-radius:6px}
.chart{position:relative;min-height:12rem}
.panels{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:.4rem 1.2rem;align-items:start}
.panels h4{grid-column:1/-1;margin:.7rem 0 0}
.panels h4 span{color:var(--soft);font-weight:400;font-size:.9rem}
.panels svg{width:100%;height:auto;display:block;border:1px solid var(--rule);background:var(--card)}
.panels p{font-size:.82rem;color:var(--soft);margin:0}
.axis{display:flex;justify-content:space-between;font-size:.76rem;color:var(--soft);font-variant-numeric:tabular-nums}
.legend{display:flex;flex-wrap:wrap;gap:.15rem .9rem;list-style:none;padding:0;margin:.1rem 0 .3rem;font-size:.82rem;color:var(--soft)}
.legend svg{width:1rem;height:.8rem;vertical-align:-.05rem;margin-right:.3rem}
${SHADES.map((_, i) => `.s${i}{fill:var(--s${i})}`).join('')}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
footer{color:var(--soft);font-size:.88rem;padding-top:2rem;padding-bottom:3rem}
@media (max-width:44rem){th[scope=row]{white-space:normal;overflow-wrap:anywhere;min-width:7.5rem;max-width:9.5rem}h1{font-size:1.5rem}.panels{grid-template-columns:1fr}th,td{padding:.34rem .6rem}figure{padding:.8rem .7rem}}
@media print{
@page{margin:14mm}
body{background:#fff;font-size:10pt}
main,header,footer{max-width:none;padding:0}
nav,.skip,footer,figure details:not([open]){display:none}
details:not([open]){display:none}
h2{break-before:page}h2.first{break-before:auto}
h2,h3,h4{break-after:avoid}
figure,tr,.panels>div{break-inside:avoid}
figure.heat{break-inside:auto}figure.heat h3,figure.heat figcaption{break-after:avoid}
th[scope=row]{position:static}
.scroll{overflow:visible;border-radius:0}
table{font-size:8pt}th,td{padding:.2rem .4rem;white-space:normal}
.best,svg,rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
`;
