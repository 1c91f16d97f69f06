// The pictures on the buttons of the tool bar, drawn for it: 16 × 16, in the colour of the text.
const paths = {
  brush: <path d="M13.5 1.5 6.8 8.7m-1.6 1.1c1.4.3 2 1.3 1.6 2.5-.5 1.6-2.3 2.2-4.8 1.9 1-.6 1-1.4 1.2-2.4.2-1.3.9-2.2 2-2z" />,
  eraser: <path d="M6 13.5h7.5M2.3 9.7l6.4-6.9a1.2 1.2 0 0 1 1.7-.1l3 2.8a1.2 1.2 0 0 1 .1 1.7L8 13.5H5.3l-3-2.7a.8.8 0 0 1 0-1.1zM5.5 6.3l4.7 4.4" />,
  polygon: <path d="M3 5.5 9.5 2.5 13.5 8 10.5 13.5 3.5 12zM3 5.5h.01M9.5 2.5h.01M13.5 8h.01M10.5 13.5h.01M3.5 12h.01" />,
  livewire: <path d="M2.5 12.5c2-6 3.5 1.5 5.5-3s3.5-1 5.5-6M2.5 12.5h.01M13.5 3.5h.01" />,
  fill: <path d="M7.5 2 2.5 7.5l5 5 5-5.5-6-6M2.5 7.5h10M14 11c.8 1.2.8 2.5 0 2.5s-.8-1.3 0-2.5z" />,
  wand: <path d="m2.5 13.5 7-7M11 2v2.5M9.8 3.2h2.5M13.5 7v2M12.5 8h2M5.5 2.5v2M4.5 3.5h2" />,
  undo: <path d="M5.5 3 2.5 6l3 3M2.5 6h7a3.8 3.8 0 0 1 0 7.5H6" />,
  redo: <path d="m10.5 3 3 3-3 3M13.5 6h-7a3.8 3.8 0 0 0 0 7.5H10" />,
  close: <path d="M8 2.5a5.5 5.5 0 1 1-3.5 1.3M5 7.5h6M5 10h6M6 5h4" />,
  holes: <path d="M8 2a6 6 0 1 0 .01 0zM8 6.5a1.5 1.5 0 1 0 .01 0z" />,
  clear: <path d="M2.5 4h11M6 4V2.5h4V4m2.5 0-.7 9.5H4.2L3.5 4M6.5 6.5v4.5M9.5 6.5v4.5" />,
  suggest: <path d="M8 1.5 9.6 6.4 14.5 8 9.6 9.6 8 14.5 6.4 9.6 1.5 8 6.4 6.4z" />,
  hide: <path d="M1.5 8C4.5 3 11.5 3 14.5 8c-3 5-10 5-13 0zM8 6a2 2 0 1 0 .01 0zM2.5 13.5l11-11" />,
  zoomIn: <path d="M7 2a5 5 0 1 0 .01 0zM10.5 10.5l3.5 3.5M7 4.8v4.4M4.8 7h4.4" />,
  zoomOut: <path d="M7 2a5 5 0 1 0 .01 0zM10.5 10.5l3.5 3.5M4.8 7h4.4" />,
  fit: <path d="M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4" />,
  keys: <path d="M1.5 4h13v8.5h-13zM4 6.5h.01M6.7 6.5h.01M9.4 6.5h.01M12 6.5h.01M4.5 10h7" />,
} as const;

export type IconName = keyof typeof paths;

export const Icon = ({ name }: { name: IconName }) => (
  <svg viewBox="0 0 16 16" width="18" height="18" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
    {paths[name]}
  </svg>
);
