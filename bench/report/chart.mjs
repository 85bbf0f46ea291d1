import * as echarts from 'echarts';

/** Okabe and Ito's palette, distinguishable with any color vision. */
export const COLOURS = [
  '#56b4e9',
  '#0072b2',
  '#e69f00',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#f0e442',
  '#000000',
];

/**
 * An SVG on a white background, since the page may be shown in dark mode.
 * @param {{ title: string, x: object, y: object, series: object[] }} chart Axes and series as ECharts has them.
 */
export function drawn({ title, x, y, series }) {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 860, height: 420 });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: COLOURS,
    title: {
      text: title,
      left: 'center',
      textStyle: { fontSize: 15, fontFamily: 'Arial, Helvetica, sans-serif' },
    },
    legend: { show: series.length > 1, bottom: 6, itemGap: 28 },
    textStyle: { fontFamily: 'Arial, Helvetica, sans-serif' },
    grid: { left: 140, right: 60, top: 60, bottom: 90 },
    xAxis: { nameLocation: 'middle', nameGap: 28, ...x },
    yAxis: y,
    series,
  });
  const text = chart.renderToSVGString();
  chart.dispose();
  return `${text}\n`;
}
