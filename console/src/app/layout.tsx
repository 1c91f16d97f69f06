// The frame of every page: the bar at the top, the navigation on the left, and the messages.
import { useState, type ReactNode } from 'react';
import AppLayout from '@cloudscape-design/components/app-layout';
import Flashbar from '@cloudscape-design/components/flashbar';
import SideNavigation, { type SideNavigationProps } from '@cloudscape-design/components/side-navigation';
import TopNavigation from '@cloudscape-design/components/top-navigation';
import { useHashLocation } from 'wouter/use-hash-location';
import { KeysHelp } from '../keys/keys_help.tsx';
import { readProfiles } from '../session/profiles.ts';
import { useSession } from '../session/session.tsx';
import { useMessages } from './messages.tsx';
import { href, paths } from './paths.ts';
import { currentTheme, setTheme, type Theme } from './theme.ts';

const regions = ['us-east-1', 'us-east-2', 'us-west-2', 'eu-central-1', 'eu-west-1', 'ap-northeast-1', 'ap-northeast-2'];

function TopBar() {
  const session = useSession();
  const messages = useMessages();
  const [theme, changeTheme] = useState<Theme>(currentTheme());
  const profiles = readProfiles();
  const known = [...new Set([session.region, ...profiles.filter((p) => p.server === location.origin).map((p) => p.region), ...regions])];
  const others = profiles.filter((profile) => profile.server !== location.origin);
  return (
    <div id="top-bar">
      <TopNavigation
        identity={{ href: href(paths.dashboard()), logo: { src: `${import.meta.env.BASE_URL}wordmark.svg`, alt: 'Vedette' } }}
        utilities={[
          {
            type: 'menu-dropdown',
            text: session.region,
            ariaLabel: `Region: ${session.region}`,
            items: [
              ...known.map((region) => ({ id: region, text: region, disabled: region === session.region })),
              ...(others.length ? [{ text: 'Other servers', items: others.map((p) => ({ id: `server:${p.server}`, text: p.name, href: `${p.server}/console/`, external: true })) }] : []),
            ],
            onItemClick: ({ detail }) => {
              if (!detail.id.startsWith('server:')) session.changeRegion(detail.id).catch((error: unknown) => messages.fail(`The region is still ${session.region}`, error));
            },
          },
          {
            type: 'menu-dropdown',
            iconName: 'settings',
            ariaLabel: 'Appearance',
            title: 'Appearance',
            items: (['system', 'light', 'dark'] as const).map((id) => ({
              id,
              itemType: 'checkbox' as const,
              checked: theme === id,
              text: { system: 'As the system', light: 'Light', dark: 'Dark' }[id],
            })),
            onItemClick: ({ detail }) => {
              setTheme(detail.id as Theme);
              changeTheme(detail.id as Theme);
            },
          },
          {
            type: 'menu-dropdown',
            text: session.user,
            description: session.account,
            iconName: 'user-profile',
            items: [{ id: 'sign-out', text: 'Sign out' }],
            onItemClick: () => session.signOut(),
          },
        ]}
        i18nStrings={{ overflowMenuTriggerText: 'More', overflowMenuTitleText: 'All' }}
      />
    </div>
  );
}

/** A narrower window, in CSS pixels, begins with the navigation folded away: it would take a third of a tablet held upright. */
const kWide = 1000;

/** The links of the left side; below a project's name stand the pages of that project. */
function navigationItems(project: string | undefined): SideNavigationProps.Item[] {
  const items: SideNavigationProps.Item[] = [
    { type: 'link', text: 'Dashboard', href: href(paths.dashboard()) },
    { type: 'link', text: 'Projects', href: href(paths.projects()) },
    { type: 'link', text: 'Stations', href: href(paths.stations()) },
  ];
  if (project)
    items.push(
      { type: 'divider' },
      {
        type: 'section-group',
        title: project,
        items: [
          { type: 'link', text: 'Overview', href: href(paths.project(project)) },
          { type: 'link', text: 'Dataset', href: href(paths.dataset(project)) },
          { type: 'link', text: 'Dataset doctor', href: href(paths.doctor(project)) },
          { type: 'link', text: 'Models', href: href(paths.models(project)) },
          { type: 'link', text: 'Trial detections', href: href(paths.trials(project)) },
          { type: 'link', text: 'Edge model packages', href: href(paths.packages(project)) },
        ],
      },
    );
  items.push(
    { type: 'divider' },
    { type: 'link', text: 'Users and keys', href: href(paths.users()) },
    { type: 'link', text: 'Audit log', href: href(paths.audit()) },
  );
  return items;
}

export function Layout({ children }: { children: ReactNode }) {
  const [location] = useHashLocation();
  const { items } = useMessages();
  const [navigationOpen, setNavigationOpen] = useState(window.innerWidth >= kWide);
  const match = /^\/projects\/([^/]+)/.exec(location);
  const project = match ? decodeURIComponent(match[1]!) : undefined;
  // A page below another one lights up that one's link.
  const parents = project ? [paths.models(project), paths.trials(project), paths.packages(project)] : [paths.stations()];
  const active = parents.find((path) => location.startsWith(path)) ?? (project && location.includes('/dataset/') ? paths.dataset(project) : location);
  return (
    <>
      <TopBar />
      <AppLayout
        headerSelector="#top-bar"
        navigation={<SideNavigation activeHref={href(active)} items={navigationItems(project)} />}
        navigationOpen={navigationOpen}
        onNavigationChange={({ detail }) => setNavigationOpen(detail.open)}
        toolsHide
        notifications={<Flashbar items={items} stackItems={items.length > 3} />}
        stickyNotifications
        content={children}
        ariaLabels={{ navigation: 'Navigation', navigationClose: 'Close the navigation', navigationToggle: 'Open the navigation', notifications: 'Messages' }}
      />
      <KeysHelp />
    </>
  );
}
