import { darkRules, series, tones } from './theme.ts';

const variables = (mode: 'light' | 'dark') =>
  [
    ...Object.entries(tones).map(([name, tone]) => `--${name}:${tone[mode]}`),
    `--accent:${series[0]![mode]}`,
    `--warn:${series[1]![mode]}`,
    `--shadow:${mode === 'light' ? 'rgba(30,40,50,.32)' : 'rgba(0,0,0,.75)'}`,
    `--head:${mode === 'light' ? 'rgba(90,110,130,.075)' : 'rgba(140,170,200,.075)'}`,
    `--page:${mode === 'light' ? '#f6f7f9' : '#0f1216'}`,
  ].join(';');

/**
 * A shadow at each edge beyond which content is hidden. Covers that move with the content (`local`) hide the shadows (`scroll`) at the
 * ends. A background of the content would hide both, so heads of tables are translucent and drawings have no background.
 */
const scrollShadows = [
  '.scroll{overflow:auto;max-height:85vh;border-radius:8px;background:linear-gradient(to right,var(--paper) 40%,transparent) left/36px 100% no-repeat local,' +
    'linear-gradient(to left,var(--paper) 40%,transparent) right/36px 100% no-repeat local,' +
    'linear-gradient(var(--paper) 40%,transparent) top/100% 36px no-repeat local,' +
    'linear-gradient(to top,var(--paper) 40%,transparent) bottom/100% 36px no-repeat local,' +
    'linear-gradient(to right,var(--shadow),transparent) left/14px 100% no-repeat scroll,' +
    'linear-gradient(to left,var(--shadow),transparent) right/14px 100% no-repeat scroll,' +
    'linear-gradient(var(--shadow),transparent) top/100% 14px no-repeat scroll,' +
    'linear-gradient(to top,var(--shadow),transparent) bottom/100% 14px no-repeat scroll}',
  'figure .scroll>svg>rect:first-child{fill:none}',
].join('\n');

/** The style of the page: light or dark like the reader's system; on a phone, with the narrow drawings. */
export const style = `
:root{color-scheme:light dark;${variables('light')}}
@media (prefers-color-scheme:dark){:root{${variables('dark')}}
${darkRules('figure svg')}
}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Open Sans",sans-serif;overflow-wrap:break-word}
main{max-width:820px;margin:0 auto;padding:28px 16px 64px}
header p{margin:4px 0;color:var(--faint)}
h1{font-size:1.7rem;line-height:1.25;margin:0 0 8px}
h2{font-size:1.22rem;margin:2.4em 0 .7em;padding-bottom:.25em;border-bottom:1px solid var(--grid)}
h3{font-size:1.05rem;margin:1.8em 0 .5em}
p{margin:.6em 0}
a{color:var(--accent)}
.id{display:inline-block;background:var(--accent);color:var(--paper);border-radius:5px;padding:0 .45em;margin-right:.35em}
.state{color:var(--warn);font-weight:600}
nav{display:flex;flex-wrap:wrap;gap:2px 16px;margin:14px 0 0;font-size:.92rem}
nav a{display:inline-block;padding:5px 0}
.notice{border-left:4px solid var(--warn);background:var(--panel);padding:10px 16px;border-radius:0 6px 6px 0;margin:18px 0}
.notice strong{display:block}
.notice ul{margin:.3em 0;padding-left:1.2em}
figure{margin:18px 0;background:var(--paper);border:1px solid var(--grid);border-radius:8px}
figcaption{padding:2px 16px 12px;color:var(--faint);font-size:.92rem}
${scrollShadows}
.scroll:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
figure svg{display:block;height:auto;margin:0 auto}
figure svg text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Open Sans",sans-serif}
.fits svg{max-width:100%}
.narrow{display:none}
table{border-collapse:collapse;width:100%;font-size:.94rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--faint);padding:8px 12px 4px}
caption span{display:inline-block;position:sticky;left:12px;max-width:calc(min(100vw,820px) - 64px)}
.many{border-collapse:separate;border-spacing:0}
.many tr>:first-child{position:sticky;left:0;background:var(--paper)}
.many td:not([class]){min-width:11em}
.many thead tr>:first-child{background:var(--panel)}
th,td{padding:7px 12px;text-align:left;border-bottom:1px solid var(--grid);vertical-align:top}
tbody tr:last-child>*{border-bottom:0}
thead th{background:var(--head);font-weight:600}
tbody th{font-weight:500}
.label{min-width:12em}
.short{white-space:nowrap}
.number{text-align:right;white-space:nowrap}
thead .number{white-space:normal}
.figure{text-align:right}
.figure span{white-space:nowrap}
.off{color:var(--warn);font-weight:600}
.box{margin:14px 0;background:var(--paper);border:1px solid var(--grid);border-radius:8px}
@media (min-width:860px){.broad{width:min(1180px,100vw - 48px);margin-left:calc((788px - min(1180px,100vw - 48px))/2)}}
.note{font-size:.9rem;color:var(--faint)}
pre{margin:0;padding:12px 16px;font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
dl{display:grid;grid-template-columns:max-content 1fr;gap:6px 20px;margin:12px 0}
dt{color:var(--faint)}
dd{margin:0;min-width:0}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
footer{margin-top:48px;color:var(--faint);font-size:.88rem}
@media (max-width:640px){.wide{display:none}.narrow{display:block}main{padding-top:18px}figure{margin:14px -8px}h1{font-size:1.4rem}table{font-size:.86rem}th,td{padding:6px 7px}.label{min-width:5.5em}.many .label{min-width:9.5em}}
@media (max-width:480px){.comparison{font-size:.8rem}.comparison thead th{font-size:.94em}.comparison th,.comparison td{padding:6px 5px}.comparison,.comparison>*{display:block}.comparison tr{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1.7fr) minmax(0,1.4fr);border-bottom:1px solid var(--grid)}.comparison tr>*{border:0}.comparison th:first-child{grid-column:1/-1;min-width:0;padding-bottom:0}.comparison thead th:first-child{display:none}.figure span{display:block}.figure span,td.number{white-space:normal}.columns-3 tr{grid-template-columns:repeat(2,minmax(0,1fr))}.columns-2 tr{grid-template-columns:minmax(0,1fr) auto}.columns-2 th:first-child{grid-column:auto}.comparison.columns-2 thead th:first-child{display:block}}
@media (max-width:480px){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}}
@media print{.scroll{max-height:none}}
`.trim();
