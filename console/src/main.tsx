import '@cloudscape-design/global-styles/index.css';
import './app/console.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { ApiError } from './api/errors.ts';
import { App } from './app/app.tsx';
import { MessagesProvider } from './app/messages.tsx';
import { startTheme } from './app/theme.ts';
import { SessionProvider } from './session/session.tsx';

startTheme();
const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // An answer that the server gave on purpose does not change when it is asked again at once.
      retry: (count, error) => count < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status === 429 || error.status >= 500),
      refetchOnWindowFocus: true,
      staleTime: 2000,
    },
  },
});
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <MessagesProvider>
        <SessionProvider>
          <App />
        </SessionProvider>
      </MessagesProvider>
    </QueryClientProvider>
  </StrictMode>,
);
