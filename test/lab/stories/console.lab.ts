import { consoleStory } from '../console-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('console', 'whoever follows a console sees every line once', consoleStory)
