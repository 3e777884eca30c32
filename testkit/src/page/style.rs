//! Colours, and how pages look.

/// Each has a contrast of 3 to 1 at least with the ground: of those for light screens, and of
/// those for dark ones.
pub const COLOURS: &str = "
:root{--ground:#ffffff;--text:#1b1b1b;--faint:#5c5c5c;--line:#d4d4d4;
--c0:#1b1b1b;--c1:#0072b2;--c2:#c44601;--c3:#007a5a;--c4:#a8427e;
--c5:#8a6500;--c6:#5b3fbf;--c7:#00727a;--c8:#7a4a2b;--c9:#6a6a6a}
@media (prefers-color-scheme: dark){:root{--ground:#16181c;--text:#ececec;--faint:#a8a8a8;--line:#3a3d44;
--c0:#f2f2f2;--c1:#5eb3f0;--c2:#ff8f52;--c3:#3ccb9c;--c4:#f19ac8;
--c5:#e8c14a;--c6:#b39dff;--c7:#4dd0d8;--c8:#d2a47f;--c9:#a0a0a0}}
";

/// Inside a chart.
pub const CHART: &str = "
svg text{font:12px system-ui,sans-serif;fill:var(--text)}
svg .head{font-weight:600;font-size:14px}
svg .faint{fill:var(--faint)}
svg .ground{fill:var(--ground)}
svg .grid{stroke:var(--line);stroke-width:1}
svg .line{fill:none;stroke-width:2;stroke-linejoin:round}
";

/// Around them.
pub const PAGE: &str = "
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:76rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;line-height:1.2}
h2{font-size:1.25rem;line-height:1.25;margin:2.5rem 0 .25rem}
p{max-width:46rem;margin:.5rem 0}
.beside{display:grid;gap:1.5rem;align-items:start;grid-template-columns:minmax(0,1fr)}
@media (min-width: 60rem){.beside{grid-template-columns:30rem minmax(0,1fr)}}
figure{margin:0}
figure svg{width:100%;height:auto;display:block}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{padding:.25rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{font-weight:600}
thead th{color:var(--faint)}
tbody th{text-align:left;font-weight:500;position:sticky;left:0;background:var(--ground)}
thead th:first-child{text-align:left}
@media (max-width: 30rem){table{font-size:.75rem}th,td{padding:.25rem .2rem}th{white-space:normal}tbody th{min-width:4.5rem}}
";
