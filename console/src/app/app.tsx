import { lazy, Suspense } from 'react';
import Spinner from '@cloudscape-design/components/spinner';
import { Route, Router, Switch } from 'wouter';
import { useHashLocation } from 'wouter/use-hash-location';
import { DashboardPage } from '../pages/dashboard.tsx';
import { ProjectsPage } from '../pages/projects.tsx';
import { ProjectPage } from '../pages/project.tsx';
import { SignInPage } from '../pages/sign_in.tsx';
import { useSessionControl } from '../session/session.tsx';
import { ConsoleBucketProvider } from '../upload/console_bucket_dialog.tsx';
import { UploadsProvider } from '../upload/uploads.tsx';
import { Layout } from './layout.tsx';
import { NotFound } from './not_found.tsx';

// Pages that are seldom the first one are loaded when they are opened.
const AuditPage = lazy(() => import('../pages/audit.tsx'));
const ComparePage = lazy(() => import('../pages/compare.tsx'));
const CreateDatasetPage = lazy(() => import('../pages/create_dataset.tsx'));
const DatasetPage = lazy(() => import('../pages/dataset.tsx'));
const DoctorPage = lazy(() => import('../pages/doctor.tsx'));
const DrawPage = lazy(() => import('../pages/draw.tsx'));
const ModelsPage = lazy(() => import('../pages/models.tsx'));
const ModelPage = lazy(() => import('../pages/model.tsx'));
const PackagesPage = lazy(() => import('../pages/packages.tsx'));
const StationPage = lazy(() => import('../pages/station.tsx'));
const StationsPage = lazy(() => import('../pages/stations.tsx'));
const TrainPage = lazy(() => import('../pages/train.tsx'));
const TrialPage = lazy(() => import('../pages/trial.tsx'));
const TrialsPage = lazy(() => import('../pages/trials.tsx'));
const UsersPage = lazy(() => import('../pages/users.tsx'));

export function App() {
  const { state } = useSessionControl();
  if (state.phase === 'starting') return <Spinner size="large" />;
  if (state.phase === 'signedOut') return <SignInPage reason={state.reason} />;
  return (
    <Router hook={useHashLocation}>
      <ConsoleBucketProvider>
      <UploadsProvider>
        <Layout>
        <Suspense fallback={<Spinner size="large" />}>
          <Switch>
            <Route path="/">{() => <DashboardPage />}</Route>
            <Route path="/projects">{() => <ProjectsPage />}</Route>
            <Route path="/projects/:project">{({ project }) => <ProjectPage project={decodeURIComponent(project)} />}</Route>
            <Route path="/projects/:project/create-dataset">{({ project }) => <CreateDatasetPage project={decodeURIComponent(project)} />}</Route>
            <Route path="/projects/:project/dataset/:type">
              {({ project, type }) => <DatasetPage project={decodeURIComponent(project)} type={type === 'test' ? 'test' : 'train'} />}
            </Route>
            <Route path="/projects/:project/dataset/:type/draw/:source">
              {({ project, type, source }) => <DrawPage project={decodeURIComponent(project)} type={type === 'test' ? 'test' : 'train'} sourceRef={decodeURIComponent(source)} />}
            </Route>
            <Route path="/projects/:project/dataset-doctor">{({ project }) => <DoctorPage project={decodeURIComponent(project)} />}</Route>
            <Route path="/projects/:project/train">{({ project }) => <TrainPage project={decodeURIComponent(project)} />}</Route>
            <Route path="/projects/:project/models">{({ project }) => <ModelsPage project={decodeURIComponent(project)} />}</Route>
            <Route path="/projects/:project/models/:version">
              {({ project, version }) => <ModelPage project={decodeURIComponent(project)} version={version} />}
            </Route>
            <Route path="/projects/:project/compare/:first/:second">
              {({ project, first, second }) => <ComparePage project={decodeURIComponent(project)} first={first} second={second} />}
            </Route>
            <Route path="/projects/:project/packages">{({ project }) => <PackagesPage project={decodeURIComponent(project)} />}</Route>
            <Route path="/projects/:project/trials">{({ project }) => <TrialsPage project={decodeURIComponent(project)} />}</Route>
            <Route path="/projects/:project/trials/:name">
              {({ project, name }) => <TrialPage project={decodeURIComponent(project)} name={decodeURIComponent(name)} />}
            </Route>
            <Route path="/stations">{() => <StationsPage />}</Route>
            <Route path="/stations/:name">{({ name }) => <StationPage key={name} name={decodeURIComponent(name)} />}</Route>
            <Route path="/users">{() => <UsersPage />}</Route>
            <Route path="/audit">{() => <AuditPage />}</Route>
            <Route>{() => <NotFound />}</Route>
          </Switch>
        </Suspense>
        </Layout>
      </UploadsProvider>
      </ConsoleBucketProvider>
    </Router>
  );
}
