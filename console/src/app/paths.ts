// The addresses of all pages, in one place. They stand behind the # of the page's address, so that any server of files serves them.
const part = encodeURIComponent;

export const paths = {
  dashboard: () => '/',
  projects: () => '/projects',
  project: (project: string) => `/projects/${part(project)}`,
  createDataset: (project: string) => `/projects/${part(project)}/create-dataset`,
  dataset: (project: string, type: 'train' | 'test' = 'train') => `/projects/${part(project)}/dataset/${type}`,
  /** Keys may hold percent signs: the router undoes one encoding of the whole address, the page the other one. */
  editor: (project: string, type: 'train' | 'test', sourceRef: string) => `/projects/${part(project)}/dataset/${type}/draw/${part(part(sourceRef))}`,
  doctor: (project: string) => `/projects/${part(project)}/dataset-doctor`,
  train: (project: string) => `/projects/${part(project)}/train`,
  models: (project: string) => `/projects/${part(project)}/models`,
  model: (project: string, version: string) => `/projects/${part(project)}/models/${version}`,
  compare: (project: string, first: string, second: string) => `/projects/${part(project)}/compare/${first}/${second}`,
  trials: (project: string) => `/projects/${part(project)}/trials`,
  trial: (project: string, name: string) => `/projects/${part(project)}/trials/${part(name)}`,
  packages: (project: string) => `/projects/${part(project)}/packages`,
  stations: () => '/stations',
  station: (name: string) => `/stations/${part(name)}`,
  users: () => '/users',
  audit: () => '/audit',
};

/** The same address as a link. */
export const href = (path: string) => `#${path}`;
