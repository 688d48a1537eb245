import { bool, defineTable, int64, type Row, text, timestamp, uuid } from '../../core/contracts/tables.ts';

/** Users with their profile; a row is also the scope of its own changes. */
export const usersTable = defineTable({
  name: 'users',
  columns: {
    id: uuid(),
    name: text({ maxLength: 100 }),
    first_name: text({ maxLength: 100 }),
    last_name: text({ maxLength: 100 }),
    /** As the user wrote it, trimmed. */
    email: text({ maxLength: 254 }),
    /** What makes it unique: without letter case. */
    email_key: text({ maxLength: 254 }),
    is_active: bool(),
    role: text({ maxLength: 20 }),
    avatar_url: text({ maxLength: 2048 }),
    time_zone: text({ maxLength: 64 }),
    locale: text({ maxLength: 64 }),
    bio: text({ maxLength: 2000 }),
    created_at: timestamp(),
    updated_at: timestamp(),
    revision: int64(),
  },
  primaryKey: ['id'],
  unique: { user_email: ['email_key'] },
  indexes: { users_created: ['created_at'], users_name: ['name'] },
  searchable: ['name', 'email'],
  revision: 'revision',
});

export type UserRow = Row<typeof usersTable>;

/** The fields that a user may be given and that may change; also what history records. */
export const profileFields = [
  'name',
  'first_name',
  'last_name',
  'email',
  'avatar_url',
  'time_zone',
  'locale',
  'bio',
] as const;
export type ProfileField = (typeof profileFields)[number];
export type Profile = Readonly<Record<ProfileField, string>>;

export const emptyProfile: Profile = {
  name: '',
  first_name: '',
  last_name: '',
  email: '',
  avatar_url: '',
  time_zone: '',
  locale: '',
  bio: '',
};
