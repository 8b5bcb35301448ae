/** The style sheet of a report: light and dark, phone and paper. */
import { COLOURS, FONT } from '../charts/theme.ts';

const variables = (which: 0 | 1): string =>
  Object.entries(COLOURS)
    .map(([token, values]) => `--${token}:${values[which]}`)
    .join(';');

const LIGHT = `color-scheme:light;${variables(0)};--surface:#f5f7f9;--link:#0a5ea8;--estimate:#8a4600`;
const DARK = `color-scheme:dark;${variables(1)};--surface:#1a2027;--link:#79b8f3;--estimate:#f0b072`;

export const STYLE = `
:root{${LIGHT}}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){${DARK}}}
:root[data-theme=dark]{${DARK}}
@media print{:root:root:root{${LIGHT}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 ${FONT}}
.skip{position:absolute;left:-999px}
.skip:focus{left:8px;top:8px;background:var(--paper);padding:8px;z-index:9}
main,header,footer{max-width:800px;margin:0 auto;padding:0 15px}
header{padding-top:28px}
.kicker{color:var(--muted);font-size:14px;display:flex;gap:12px;align-items:center;flex-wrap:wrap}
.kicker .grow{flex:1}
h1{font-size:25px;line-height:1.25;margin:10px 0 14px;font-weight:650;letter-spacing:-.01em}
h2{font-size:19px;line-height:1.3;margin:44px 0 4px;font-weight:650}
h3{font-size:16px;margin:22px 0 6px}
h1,h2,h3,p,li,figcaption,summary,tbody th,.words td{overflow-wrap:anywhere}
.answer{font-size:18px;margin:0 0 12px;padding:12px 16px;border-left:4px solid var(--c0);background:var(--surface)}
.answers{padding-left:20px;margin:0 0 12px;color:var(--ink)}
.basis{color:var(--muted);font-size:15px}
a{color:var(--link)}
nav{font-size:14px;margin:18px 0 0;line-height:1.9}
nav a{margin-right:14px;white-space:nowrap;display:inline-block;max-width:100%;overflow:hidden;text-overflow:ellipsis;vertical-align:bottom}
button{font:inherit;font-size:14px;line-height:1.3;color:var(--ink);background:var(--surface);border:1px solid var(--rule);border-radius:6px;padding:5px 11px;cursor:pointer;min-height:30px;max-width:100%;overflow:hidden;text-overflow:ellipsis}
button:hover{border-color:var(--ink)}
:focus-visible{outline:3px solid var(--c1);outline-offset:2px}
.scroll{overflow-x:auto;margin:8px 0;max-width:100%}
.tall{max-height:70vh;overflow-y:auto}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:5px 10px 5px 0;text-align:right;border-bottom:1px solid var(--grid);vertical-align:top}
th:first-child,td:first-child,.words td,.words th{text-align:left}
thead th{font-weight:600;color:var(--muted);vertical-align:bottom;position:sticky;top:0;background:var(--paper)}
td{white-space:nowrap}
.words td{white-space:normal;min-width:90px}
tbody th{font-weight:400;min-width:110px;max-width:340px}
.name{overflow-wrap:normal!important}
thead th{min-width:64px}
tbody tr:hover{background:var(--surface)}
figure{margin:6px 0 0}
figcaption{color:var(--muted);font-size:15px;margin:0 0 10px}
.chart{position:relative;max-width:720px}
.chart svg{display:block;max-width:100%;height:auto;font-family:inherit}
.chart svg text{font-family:inherit}
.files{font-size:13px;white-space:nowrap}
.series{display:flex;flex-wrap:wrap;gap:6px;margin:8px 0 0;font-size:13px;align-items:center;color:var(--muted)}
.series button{display:flex;align-items:center;gap:6px;font-size:13px;padding:3px 9px}
.series button[aria-pressed=false]{opacity:1;color:var(--muted);text-decoration:line-through}
.series .dot{width:11px;height:11px;border-radius:3px;flex:none;border:1px solid var(--rule)}
.series button[aria-pressed=false] .dot{background:transparent!important}
.tip{position:fixed;z-index:8;pointer-events:none;background:var(--paper);color:var(--ink);border:1px solid var(--rule);border-radius:6px;padding:7px 10px;font-size:13px;line-height:1.4;max-width:min(340px,92vw);box-shadow:0 3px 14px rgb(0 0 0/.22)}
.tip dl{margin:0;display:grid;grid-template-columns:auto auto;gap:1px 12px}
.tip dt{color:var(--muted)}
.tip dd{margin:0;overflow-wrap:anywhere}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
details{margin:8px 0;font-size:15px}
summary{cursor:pointer;color:var(--link);width:fit-content;max-width:100%}
.estimate{color:var(--estimate);font-weight:600}
code,pre{font:13.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
pre{background:var(--surface);padding:11px 14px;white-space:pre-wrap;overflow-wrap:anywhere;border-radius:6px;margin:8px 0}
footer{margin-top:50px;padding-bottom:40px;color:var(--muted);font-size:14px}
@media (max-width:480px){body{font-size:15px}h1{font-size:22px}.answer{font-size:16px}th,td{padding-right:8px}}
@media (min-width:481px){.assumed tbody th{min-width:230px}}
@page{margin:14mm}
@media print{
body{font-size:10.5pt}
main,header,footer{max-width:none;padding:0}
nav,.theme,.series,.files,.skip,summary,.tip{display:none}
.tall{max-height:none}
.scroll{overflow:visible}
section{break-inside:avoid-page}
section.long{break-inside:auto}
.assumed::details-content{content-visibility:visible;block-size:auto}
.assumed td,.assumed th{font-size:8.5pt;padding:2px 8px 2px 0}
figure,tr{break-inside:avoid}
h2{break-after:avoid}
}
`;
